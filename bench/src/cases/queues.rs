//! What a push and a job cost must not depend on how many queues there are.

use super::Case;
use super::drain::both;
use crate::Outcome;
use crate::clock::now_ns;
use crate::figures::{Row, Samples, Target, Unit};
use crate::fill;
use crate::ours::Master;
use crate::proc;
use crate::pushers::{self, OURS};
use crate::setting::Setting;

const WORKERS: u32 = 4;
const ONE: &str = "1 queue";

/// Queues that hold one job each, which is due in hours.
pub(crate) static QUEUES: Case = Case {
    name: "many-queues",
    about: "pushes and jobs of one queue, 20,000 others known against none",
    rows: &[
        Row {
            key: "push",
            what: "push, one client, 20,000 queues known",
            unit: Unit::PerSecond,
            target: Target::TimesPeer(0.9),
            peers: &[ONE],
        },
        Row {
            key: "cpu",
            what: "CPU of the master per push there",
            unit: Unit::Micros,
            target: Target::AtMostTimesPeer(1.2),
            peers: &[ONE],
        },
        Row {
            key: "drain",
            what: "drain, no-op, 20,000 queues known",
            unit: Unit::PerSecond,
            target: Target::TimesPeer(0.9),
            peers: &[ONE],
        },
    ],
    once: queues,
};

/// What was measured with so many queues.
struct Measured {
    pushes_per_s: f64,
    cpu_us: f64,
    drained_per_s: f64,
}

fn queues(setting: &Setting<'_>, samples: &mut Samples) -> Outcome<()> {
    let ours = |samples: &mut Samples| {
        let many = measure(setting, setting.n(20_000, 1_000))?;
        samples.ours("push", many.pushes_per_s);
        samples.ours("cpu", many.cpu_us);
        samples.ours("drain", many.drained_per_s);
        Ok(())
    };
    let one = |samples: &mut Samples| {
        let one = measure(setting, 0)?;
        samples.peer("push", ONE, one.pushes_per_s);
        samples.peer("cpu", ONE, one.cpu_us);
        samples.peer("drain", ONE, one.drained_per_s);
        Ok(())
    };
    both(setting, samples, ours, one)
}

fn measure(setting: &Setting<'_>, others: u64) -> Outcome<Measured> {
    let database = setting.folder(&format!("{others}-others"))?.join("q.db");
    fill::queues(&database, others)?;
    let noop = [setting.tools.noop.clone().into_os_string()];
    let master = Master::start(setting, &database, WORKERS, &[], &noop)?;
    let drained_per_s = master.drain(setting.n(100_000, 2_000), "noop", "null")?.per_second();
    let (cpu, start) = (proc::cpu_ns(master.pid())?, now_ns());
    let pushes_per_s = pushers::rate(&master.socket, 1, if setting.quick { 0.3 } else { 3.0 }, OURS)?;
    let pushes = pushes_per_s * (now_ns() - start) as f64 / 1e9;
    let cpu_us = (proc::cpu_ns(master.pid())? - cpu) as f64 / 1e3 / pushes;
    master.stop()?;
    Ok(Measured { pushes_per_s, cpu_us, drained_per_s })
}
