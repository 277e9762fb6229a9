//! Memory of the master, and of the built-in worker.

use std::time::Duration;

use queue_work::testing::model::Wanted;
use queue_work::testing::model::wanted::ScaleTo;
use queue_work::testing::wire::control::{Scale, Scaled};

use super::Case;
use crate::Outcome;
use crate::clock::pause;
use crate::figures::{Row, Samples, Target, Unit, percentile};
use crate::ours::Master;
use crate::proc;
use crate::setting::Setting;

/// So long after the last change.
const SETTLED: Duration = Duration::from_secs(2);

/// The master and its guardian.
pub(crate) static MASTER: Case = Case {
    name: "master-memory",
    about: "memory of the master with 50 workers, and of each worker more",
    rows: &[
        Row::alone("resident", "resident memory of the master, 50 workers", Unit::Mib, Target::AtMost(10.0)),
        Row::alone("share", "… its share (PSS), with the guardian", Unit::Mib, Target::None),
        Row::alone("further", "… per further worker, from 50 to 250", Unit::Kib, Target::AtMost(16.0)),
    ],
    once: master,
};

/// A worker that has run commands and waits for more.
pub(crate) static WORKER: Case = Case {
    name: "worker-memory",
    about: "private memory of a built-in worker that has run commands",
    rows: &[Row::alone("private", "private memory of a built-in worker", Unit::Mib, Target::AtMost(1.0))],
    once: worker,
};

fn master(setting: &Setting<'_>, samples: &mut Samples) -> Outcome<()> {
    let noop = [setting.tools.noop.clone().into_os_string()];
    let mut master = Master::start(setting, &setting.dir.join("q.db"), 50, &[], &noop)?;
    master.warm_up("noop", "null")?;
    pause(SETTLED);
    let guardian = master.helper("guardian")?.map(proc::share_kib).transpose()?.unwrap_or(0);
    let resident = proc::resident_kib(master.pid())?;
    samples.ours("resident", resident as f64 / 1024.0);
    samples.ours("share", (proc::share_kib(master.pid())? + guardian) as f64 / 1024.0);
    let more = setting.n(200, 50) as u32;
    let scale = Scale { workers: ScaleTo::Workers(Wanted::More(more)), ..Scale::default() };
    let _: Scaled = master.client()?.call("scale", &scale)?;
    master.wait_until_ready(50 + more)?;
    pause(SETTLED);
    let grown = proc::resident_kib(master.pid())?.saturating_sub(resident);
    samples.ours("further", grown as f64 / f64::from(more));
    master.stop()
}

fn worker(setting: &Setting<'_>, samples: &mut Samples) -> Outcome<()> {
    let master = Master::start(setting, &setting.dir.join("q.db"), 4, &[], &[])?;
    master.warm_up("exec", "{\"argv\":[\"/bin/true\"]}")?;
    let guardian = master.helper("guardian")?;
    let workers = proc::children(master.pid())?.into_iter().filter(|pid| Some(*pid) != guardian);
    let private = workers.map(|pid| Ok(proc::private_kib(pid)? as f64 / 1024.0)).collect::<Outcome<Vec<_>>>()?;
    samples.ours("private", percentile(&private, 50.0).ok_or("there is no worker")?);
    master.stop()
}
