//! Queues whose keys take turns, or have limits: what a key costs, and what lanes cost that nothing may be taken from.

use std::fmt::Write as _;
use std::fs;

use super::Case;
use super::dependencies::drained;
use crate::Outcome;
use crate::figures::{Row, Samples, Target, Unit};
use crate::setting::Setting;

const UNKEYED: &str = "without keys";
const KEYS: u64 = 10_000;

pub(crate) static FAIR: Case = Case {
    name: "fair",
    about: "drain of a queue whose 10,000 keys take turns, against one without keys",
    rows: &[
        Row {
            key: "fair",
            what: "drain, no-op, 10,000 keys that take turns",
            unit: Unit::PerSecond,
            target: Target::TimesPeer(0.8),
            peers: &[UNKEYED],
        },
        Row { key: "few", what: "… 10 keys", unit: Unit::PerSecond, target: Target::None, peers: &[UNKEYED] },
    ],
    once,
};

fn once(setting: &Setting<'_>, samples: &mut Samples) -> Outcome<()> {
    let jobs = setting.n(100_000, 2_000);
    let lines = |keys: u64| {
        (0..jobs).try_fold(String::new(), |mut text, n| {
            writeln!(text, "{{\"type\": \"noop\", \"key\": \"k{}\"}}", n % keys).map(|()| text)
        })
    };
    let plain = (0..jobs).fold(String::new(), |text, _| text + "{\"type\": \"noop\"}\n");
    let unkeyed = drained(setting, "unkeyed", &[], &plain, jobs)?.per_second();
    fs::write(setting.dir.join("queue-work.toml"), "[queues.default]\nfair = \"jobs\"\n")?;
    for (key, keys) in [("fair", KEYS), ("few", 10)] {
        samples.ours(key, drained(setting, key, &[], &lines(keys)?, jobs)?.per_second());
        samples.peer(key, UNKEYED, unkeyed);
    }
    Ok(())
}
