//! Jobs that come after others: many before one, one before many, and a chain, each beside as many jobs that know nothing of
//! one another.

use std::ffi::OsString;
use std::fmt::Write as _;

use super::Case;
use crate::Outcome;
use crate::figures::{Row, Samples, Target, Unit};
use crate::ours::{Drained, Master};
use crate::setting::Setting;

pub(super) const WORKERS: u32 = 4;
const FREE: &str = "without parents";
const ONE: &str = "without parents, prefetch 1";

pub(crate) static DEPENDENCIES: Case = Case {
    name: "dependencies",
    about: "100,000 parents of one child, one parent of 100,000 children, and a chain of 10,000 jobs",
    rows: &[
        Row {
            key: "in",
            what: "drain of 100,000 jobs and the one that comes after all of them",
            unit: Unit::Millis,
            target: Target::None,
            peers: &[FREE],
        },
        Row::alone("in_more", "… more than without it", Unit::Millis, Target::AtMost(1000.0)),
        Row {
            key: "out",
            what: "drain of one job and the 100,000 that come after it",
            unit: Unit::Millis,
            target: Target::None,
            peers: &[FREE],
        },
        Row::alone("out_more", "… more than without it", Unit::Millis, Target::AtMost(2000.0)),
        Row {
            key: "chain",
            what: "a chain of 10,000, each after the one before",
            unit: Unit::PerSecond,
            target: Target::TimesPeer(0.3),
            peers: &[ONE],
        },
    ],
    once,
};

fn once(setting: &Setting<'_>, samples: &mut Samples) -> Outcome<()> {
    let jobs = setting.n(100_000, 2_000);
    let free = |jobs: u64| (0..jobs).fold(String::new(), |text, _| text + "{\"type\": \"noop\"}\n");
    let plain = drained(setting, "plain", &[], &free(jobs), jobs)?;
    let millis = |drained: Drained| drained.seconds * 1e3;
    let mut text = String::new();
    for n in 0..jobs {
        writeln!(text, "{{\"type\": \"noop\", \"ref\": \"p{n}\"}}")?;
    }
    let refs: Vec<String> = (0..jobs).map(|n| format!("\"p{n}\"")).collect();
    writeln!(text, "{{\"type\": \"noop\", \"after\": [{}]}}", refs.join(", "))?;
    let into_one = drained(setting, "in", &[], &text, jobs + 1)?;
    let mut text = "{\"type\": \"noop\", \"ref\": \"first\"}\n".to_owned();
    text.extend((0..jobs).map(|_| "{\"type\": \"noop\", \"after\": [\"first\"]}\n"));
    let out_of_one = drained(setting, "out", &[], &text, jobs + 1)?;
    for (key, more, of) in [("in", "in_more", into_one), ("out", "out_more", out_of_one)] {
        samples.ours(key, millis(of));
        samples.peer(key, FREE, millis(plain));
        samples.ours(more, millis(of) - millis(plain));
    }
    let jobs = setting.n(10_000, 500);
    let mut text = "{\"type\": \"noop\", \"ref\": \"p0\"}\n".to_owned();
    for n in 1..jobs {
        writeln!(text, "{{\"type\": \"noop\", \"ref\": \"p{n}\", \"after\": [\"p{}\"]}}", n - 1)?;
    }
    let one = ["--prefetch", "1"];
    samples.ours("chain", drained(setting, "chain", &one, &text, jobs)?.per_second());
    samples.peer("chain", ONE, drained(setting, "free", &one, &free(jobs), jobs)?.per_second());
    Ok(())
}

/// Drains what these lines push.
pub(super) fn drained(setting: &Setting<'_>, name: &str, args: &[&str], lines: &str, jobs: u64) -> Outcome<Drained> {
    let noop = [setting.tools.noop.clone().into_os_string()];
    let master = Master::start(setting, &setting.dir.join(format!("{name}.db")), WORKERS, args, &noop as &[OsString])?;
    master.warm_up("noop", "null")?;
    master.pause()?;
    master.push_lines(setting, lines)?;
    let drained = master.timed(jobs, None)?;
    master.stop()?;
    Ok(drained)
}
