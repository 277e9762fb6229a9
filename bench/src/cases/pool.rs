//! Processes: how fast many are up, and how fast one that was killed is replaced.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::Case;
use super::drain::both;
use crate::Outcome;
use crate::clock::{now_ns, pause, seconds_since, until};
use crate::figures::{Row, Samples, Target, Unit, percentile};
use crate::least::{LEAST, Least};
use crate::ours::{Master, QUEUE};
use crate::proc;
use crate::setting::Setting;

const DEADLINE: Duration = Duration::from_mins(1);
/// Of which one is killed.
const WORKERS: usize = 50;

/// From `kill -9` until the master has a new child, looked for without a pause.
pub(crate) static RECOVERY: Case = Case {
    name: "recovery",
    about: "`kill -9` of one of 50 workers until its replacement has a pid",
    rows: &[
        recovery_row("p50", "kill -9 of a worker → replacement has a pid, p50 of 20", 0.5),
        recovery_row("max", "… longest of 20", 3.0),
    ],
    once: recovery,
};

/// From the start of the master until so many of its children are the worker program.
pub(crate) static UP: Case = Case {
    name: "up",
    about: "from the start of the master until 50 workers run, and 1,000",
    rows: &[
        Row::alone("50", "50 workers up", Unit::Millis, Target::AtMost(60.0)),
        Row::alone("1000", "1,000 workers up", Unit::Millis, Target::AtMost(1_200.0)),
    ],
    once: up,
};

const fn recovery_row(key: &'static str, what: &'static str, at_most: f64) -> Row {
    Row { key, what, unit: Unit::Millis, target: Target::AtMost(at_most), peers: &[LEAST] }
}

fn recovery(setting: &Setting<'_>, samples: &mut Samples) -> Outcome<()> {
    let ours = |samples: &mut Samples| {
        let noop = [setting.tools.noop.clone().into_os_string()];
        let master = Master::start(setting, &setting.dir.join("q.db"), WORKERS as u32, &[], &noop)?;
        master.warm_up("noop", "null")?;
        let (p50, max) = replaced(setting, master.pid(), master.workers(&noop[0])?)?;
        samples.ours("p50", p50);
        samples.ours("max", max);
        master.stop()
    };
    let least = |samples: &mut Samples| {
        let least = Least::supervisor(setting, WORKERS)?;
        let (p50, max) = replaced(setting, least.pid(), proc::children(least.pid())?)?;
        samples.peer("p50", LEAST, p50);
        samples.peer("max", LEAST, max);
        Ok(())
    };
    both(setting, samples, ours, least)
}

/// Milliseconds until a victim is replaced: the middle one and the longest. Each victim once: a slot whose workers die
/// again and again waits between them.
fn replaced(setting: &Setting<'_>, pid: u32, victims: Vec<u32>) -> Outcome<(f64, f64)> {
    let parent = proc::parent_thread(pid)?;
    let mut times = Vec::new();
    for victim in victims.into_iter().take(setting.n(20, 5) as usize) {
        pause(Duration::from_millis(100));
        let known: BTreeSet<u32> = parent.children()?.into_iter().collect();
        let start = now_ns();
        kill(Pid::from_raw(victim.cast_signed()), Signal::SIGKILL)?;
        // Not without a pause: on a small machine the master may have to wait for who looks.
        until("a replacement", DEADLINE, Duration::from_micros(50), || {
            Ok(parent.children()?.iter().any(|pid| !known.contains(pid)))
        })?;
        times.push(seconds_since(start) * 1e3);
    }
    let of = |percent| percentile(&times, percent).ok_or("no worker was killed");
    Ok((of(50.0)?, of(100.0)?))
}

fn up(setting: &Setting<'_>, samples: &mut Samples) -> Outcome<()> {
    samples.ours("50", time_up(setting, 50)?);
    samples.ours("1000", time_up(setting, setting.n(1_000, 100))?);
    Ok(())
}

fn time_up(setting: &Setting<'_>, workers: u64) -> Outcome<f64> {
    let noop = [OsString::from(&setting.tools.noop)];
    let program = noop[0].to_string_lossy();
    let (database, number) = (setting.dir.join(format!("{workers}.db")), workers.to_string());
    let start = now_ns();
    let master = Master::launch(setting, &database, &["--queue", QUEUE, "--workers", &number], &noop)?;
    let mut running = BTreeSet::new();
    until(&format!("{workers} processes"), DEADLINE, Duration::from_micros(500), || {
        let children = proc::children(master.pid())?;
        if (children.len() as u64) < workers {
            return Ok(false);
        }
        for pid in children {
            if !running.contains(&pid) && proc::program(pid) == program {
                running.insert(pid);
            }
        }
        Ok(running.len() as u64 >= workers)
    })?;
    let millis = seconds_since(start) * 1e3;
    // A master that is stopped while it starts is another case.
    let mut master = master;
    master.wait_until_ready(workers as u32)?;
    master.stop()?;
    Ok(millis)
}
