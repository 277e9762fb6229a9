//! What 50 workers that have nothing to do cost.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::Case;
use crate::Outcome;
use crate::clock::{now_ns, pause, seconds_since};
use crate::figures::{Row, Samples, Target, Unit};
use crate::ours::Master;
use crate::proc;
use crate::setting::Setting;

/// CPU of the master and its guardian, with the memory of the workers being tracked, as by default.
pub(crate) static IDLE: Case = Case {
    name: "idle",
    about: "CPU of the master with 50 idle workers, and what it does with the database meanwhile",
    rows: &[
        Row::alone("cpu", "CPU while idle, 50 workers, memory tracking on", Unit::Percent, Target::AtMost(0.02)),
        Row::alone("ticks", "… as counted in clock ticks", Unit::Percent, Target::None),
        Row::alone("database", "system calls on the database in 5 s", Unit::Count, Target::AtMost(0.0)),
        Row::alone("calls", "system calls in 5 s", Unit::Count, Target::None),
    ],
    once,
};

fn once(setting: &Setting<'_>, samples: &mut Samples) -> Outcome<()> {
    let noop = [setting.tools.noop.clone().into_os_string()];
    let master = Master::start(setting, &setting.dir.join("q.db"), 50, &[], &noop)?;
    master.warm_up("noop", "null")?;
    pause(Duration::from_secs(setting.n(5, 2)));
    let pids: Vec<u32> = [Some(master.pid()), master.helper("guardian")?].into_iter().flatten().collect();
    let ticks = || pids.iter().map(|pid| proc::cpu_ticks(*pid)).sum::<Outcome<u64>>();
    let (before, start) = (ticks()?, now_ns());
    let [cpu] = percent(setting, [&pids])?;
    samples.ours("cpu", cpu);
    samples.ours("ticks", (ticks()? - before) as f64 / 100.0 / seconds_since(start) * 100.0);
    match trace(setting, &master)? {
        Ok((database, all)) => {
            samples.ours("database", database);
            samples.ours("calls", all);
        }
        Err(why) => samples.missing("strace", why),
    }
    master.stop()
}

/// CPU that each of these groups of processes takes in the next 20 seconds.
pub(super) fn percent<const N: usize>(setting: &Setting<'_>, groups: [&[u32]; N]) -> Outcome<[f64; N]> {
    let used = || groups.map(|pids| pids.iter().map(|pid| proc::cpu_ns(*pid)).sum::<Outcome<u64>>());
    let (before, start) = (used(), now_ns());
    pause(Duration::from_secs(setting.n(20, 2)));
    let seconds = seconds_since(start);
    let mut all = [0.0; N];
    for ((percent, after), before) in all.iter_mut().zip(used()).zip(before) {
        *percent = (after? - before?) as f64 / 1e9 / seconds * 100.0;
    }
    Ok(all)
}

/// System calls that name a file of the database, and all of them; or why that is not known.
fn trace(setting: &Setting<'_>, master: &Master) -> Outcome<Result<(f64, f64), String>> {
    let Some(strace) = &setting.tools.strace else { return Ok(Err("not installed".to_owned())) };
    let lines = setting.dir.join("strace");
    let mut command = Command::new(strace);
    // `-y` writes the path of each descriptor.
    command.args(["-f", "-y", "-qq", "-o"]).arg(&lines).arg("-p").arg(master.pid().to_string());
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    pause(Duration::from_secs(5));
    if child.try_wait()?.is_none() {
        kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGINT)?;
    }
    let output = child.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    let Ok(text) = fs::read_to_string(&lines) else { return Ok(Err(said)) };
    if said.contains("attach") {
        return Ok(Err(said));
    }
    let name = master.database.to_string_lossy().into_owned();
    let database = text.lines().filter(|line| line.contains(&name)).count();
    Ok(Ok((database as f64, text.lines().count() as f64)))
}
