//! One master for a long time, with everything at once that it should live through: its memory, its descriptors and
//! the log of its database stay as they are. The death of masters is for the rounds.

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use crate::dice::Dice;
use crate::field::Field;
use crate::ledger::Ledger;
use crate::plan;
use crate::pools::Knobs;
use crate::pushers::Pushers;
use crate::settings::Settings;
use crate::support::{Bench, now};
use crate::table::{self, Figure};

/// Faults are so far apart at most, in milliseconds.
const APART_MS: u64 = 700;
/// So many samples, at least a second apart once it lasts that long.
const SAMPLES: u32 = 40;
/// Jobs that wait at most; more would only measure the queue.
const BACKLOG: u64 = 300;
/// The log of the database is kept shorter than this.
const LONGEST_WAL_BYTES: u64 = 64 * 1024 * 1024;
/// Descriptors beside those of workers: clients come and go.
const MORE_DESCRIPTORS: i64 = 12;
const MEBIBYTE: f64 = 1024.0 * 1024.0;

/// What a master needs at a moment.
#[derive(Clone, Copy, Debug)]
struct Sample {
    /// Without those of its workers.
    descriptors: i64,
    memory: u64,
    wal: u64,
}

#[test]
fn everything_at_once_for_a_while_leaves_memory_and_descriptors_as_they_are() {
    let settings = Settings::read();
    println!();
    let mut bench = Bench::new();
    let ledger = Ledger::new(&bench.path().join("acknowledged"));
    let result = {
        let pushers = Pushers { bench: &bench, ledger: &ledger, seed: settings.seed };
        let mut field = Field::new(&bench, &ledger, &settings);
        std::thread::scope(|scope| {
            pushers.start(scope);
            let result = catch_unwind(AssertUnwindSafe(|| soak(&mut field, &bench, &ledger, &settings)));
            ledger.end();
            field.abandon();
            result
        })
    };
    match result {
        Ok(figure) => table::tell(&[figure], settings.table.as_deref()),
        Err(panic) => {
            bench.keep();
            println!(
                "what is left is in {}; again: scripts/chaos --soak … --seed {}",
                bench.path().display(),
                settings.seed
            );
            resume_unwind(panic);
        }
    }
}

fn soak(field: &mut Field<'_>, bench: &Bench, ledger: &Ledger, settings: &Settings) -> Figure {
    let knobs = Knobs::soaking();
    field.start(&knobs);
    let mut dice = Dice::new(settings.seed, 7);
    let mut samples = Vec::new();
    let begun = now();
    let interval = settings.soak / SAMPLES;
    let mut told = begun;
    while begun.elapsed() < settings.soak {
        keep_busy(field, ledger);
        field.let_pass(Duration::from_millis(dice.below(APART_MS)).min(settings.soak / 20));
        let act = plan::act(&mut dice, &knobs.pools());
        field.act(&act);
        if begun.elapsed() > interval * (samples.len() as u32 + 1) {
            samples.extend(sample(field, bench));
        }
        if told.elapsed() > Duration::from_secs(5) {
            told = now();
            let last = samples.last();
            println!("after {} s: {} acknowledged, {last:?}", begun.elapsed().as_secs(), ledger.acknowledged());
            let _ = std::io::stdout().flush();
            field.look(crate::oracle::Oracle::quick);
        }
        assert!(field.findings.is_empty(), "{}", field.findings.text());
    }
    field.full();
    assert!(field.findings.is_empty(), "{}", field.findings.text());
    judge(&samples, settings, field)
}

/// Enough jobs wait, and not too many.
fn keep_busy(field: &mut Field<'_>, ledger: &Ledger) {
    let status = field.ask("status", &serde_json::json!({})).unwrap_or_default();
    let ready =
        status["queues"].as_array().map(|queues| queues.iter().filter_map(|q| q["ready"].as_u64()).sum::<u64>());
    if ready.is_some_and(|ready| ready < BACKLOG) {
        ledger.revoke();
        ledger.grant(BACKLOG);
    }
}

fn sample(field: &Field<'_>, bench: &Bench) -> Option<Sample> {
    let chief = field.chief.as_ref()?;
    let workers = crate::victims::workers(bench.database(), chief.pid()).len() as i64;
    let wal = std::fs::metadata(bench.path().join("q.db-wal")).map_or(0, |file| file.len());
    // Each worker has three pipes.
    Some(Sample { descriptors: chief.descriptors() as i64 - 3 * workers, memory: chief.memory(), wal })
}

fn median<T: Ord + Copy>(samples: &[Sample], of: impl Fn(&Sample) -> T) -> T {
    let mut sorted: Vec<T> = samples.iter().map(of).collect();
    sorted.sort_unstable();
    sorted[sorted.len() / 2]
}

/// Compares the beginning, without the first third in which everything warms up, with the end.
fn judge(samples: &[Sample], settings: &Settings, field: &Field<'_>) -> Figure {
    let warm = &samples[samples.len() / 3..];
    assert!(warm.len() >= 4, "only {} samples", samples.len());
    let (first, last) = warm.split_at(warm.len() / 2);
    let memory = (median(first, |sample| sample.memory), median(last, |sample| sample.memory));
    // Workers come and go between the two counts of a sample: what stays over time is in the middle of many.
    let descriptors = (median(first, |sample| sample.descriptors), median(last, |sample| sample.descriptors));
    let wal = samples.iter().map(|sample| sample.wal).max().unwrap_or(0);
    // In a short soak the warming up is most of it, and samples are few.
    let is_short = settings.soak < Duration::from_mins(1);
    let allowed = memory.0 / 10 + if is_short { 16 << 20 } else { 2 << 20 };
    let more = if is_short { 3 * MORE_DESCRIPTORS } else { MORE_DESCRIPTORS };
    assert!(memory.1 <= memory.0 + allowed, "memory grows: {memory:?}\n{samples:#?}");
    assert!(descriptors.1 <= descriptors.0 + more, "descriptors grow: {descriptors:?}\n{samples:#?}");
    assert!(wal <= LONGEST_WAL_BYTES, "the log of the database grows: {wal}\n{samples:#?}");
    let mib = |bytes: u64| bytes as f64 / MEBIBYTE;
    Figure {
        what: format!(
            "soak of {} s with everything at once, {} jobs: growth",
            settings.soak.as_secs(),
            field.oracle.checked()
        ),
        target: "flat",
        measured: format!(
            "memory {:.1} → {:.1} MiB, descriptors {} → {}, log of the database {:.1} MiB at most",
            mib(memory.0),
            mib(memory.1),
            descriptors.0,
            descriptors.1,
            mib(wal)
        ),
        peers: "not published",
        is_met: true,
    }
}
