//! The rounds: masters come and go on one store while jobs are pushed, and after each the oracle looks.

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::field::Field;
use crate::figures;
use crate::findings::Kind;
use crate::ledger::Ledger;
use crate::pushers::Pushers;
use crate::settings::Settings;
use crate::support::Bench;
use crate::table::{self, Figure, Times, ms};

/// A full look after so many rounds.
const FULL_EVERY: u64 = 10;

#[test]
fn rounds_of_faults_lose_nothing_run_nothing_twice_at_a_time_and_blame_nobody() {
    let settings = Settings::read();
    // The harness has begun a line that is none of ours.
    println!();
    let mut figures = Vec::new();
    if settings.rounds > 0 {
        let mut bench = Bench::new();
        let (found, wrong) = run(&bench, &settings);
        figures.extend(found);
        if let Some(wrong) = wrong {
            bench.keep();
            table::tell(&figures, None);
            panic!("{wrong}");
        }
    }
    if settings.figures {
        figures.extend(figures::measure(&figures::Samples::MANY));
    }
    table::tell(&figures, settings.table.as_deref());
    assert!(!settings.is_strict || figures.iter().all(|figure| figure.is_met), "a target was not met");
}

/// The rounds on this bench; the lines of the table, and what is wrong.
pub(crate) fn run(bench: &Bench, settings: &Settings) -> ([Figure; 2], Option<String>) {
    let ledger = Ledger::new(&bench.path().join("acknowledged"));
    let pushers = Pushers { bench, ledger: &ledger, seed: settings.seed };
    let mut field = Field::new(bench, &ledger, settings);
    let rounds = settings.round.map_or(0..settings.rounds, |round| round..round + 1);
    let mut at = rounds.start;
    let wrong = std::thread::scope(|scope| {
        pushers.start(scope);
        let panic = catch_unwind(AssertUnwindSafe(|| {
            for round in rounds.clone() {
                at = round;
                field.play(round);
                if (round + 1) % FULL_EVERY == 0 || round + 1 == rounds.end {
                    field.full();
                    println!("round {} of {}: {}", round + 1, rounds.end, field.progress());
                    let _ = std::io::stdout().flush();
                }
                if !field.findings.is_empty() {
                    return;
                }
            }
            field.check_growth();
        }));
        ledger.end();
        // Who waits for an answer gets none any more.
        field.abandon();
        panic.err().map(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
        })
    });
    let figures = [figure(&field, rounds.end - rounds.start), ticks(&field)];
    let found = field.findings.text();
    let wrong = (wrong.is_some() || !found.is_empty()).then(|| {
        format!(
            "round {at} of seed {}: {}{found}\nits plan: {:?}\nwhat is left is in {}\nagain: {}",
            settings.seed,
            wrong.unwrap_or_default(),
            crate::plan::Plan::draw(settings.seed, at),
            bench.path().display(),
            settings.again(at),
        )
    });
    (figures, wrong)
}

fn figure(field: &Field<'_>, rounds: u64) -> Figure {
    let count = |kind| field.findings.count(kind);
    let (lost, twice) = (count(Kind::Lost), count(Kind::Duplicated));
    let (overlapping, charged) = (count(Kind::Overlapping), count(Kind::Charged));
    let tally = &field.tally;
    let gone = Times::new(tally.gone.clone());
    println!(
        "{} deaths of a master with workers: all of its descendants gone after {} (median), {} (longest)",
        gone.len(),
        ms(gone.percentile(50)),
        ms(gone.percentile(100))
    );
    Figure {
        what: format!(
            "{rounds} rounds, {} SIGKILLs of a master and {} of workers: acknowledged jobs lost, twice on record, \
             overlapping, charged for what we did",
            tally.kills, tally.worker_kills
        ),
        target: "0 / 0 / 0 / 0",
        measured: format!(
            "{lost} / {twice} / {overlapping} / {charged} of {} jobs ({} runs interrupted, {} jobs begun once more)",
            field.oracle.checked(),
            field.oracle.released,
            field.oracle.repeated
        ),
        peers: "not published",
        is_met: field.findings.is_empty(),
    }
}

/// The processor that is due each second of all these rounds, a master running or not.
fn ticks(field: &Field<'_>) -> Figure {
    let ticks = &field.oracle.ticks;
    Figure {
        what: "the same rounds, a processor due each second with `missed = \"all\"`: ticks without a run, with two"
            .to_owned(),
        target: "0 / 0",
        measured: ticks.text(),
        peers: "not published",
        is_met: ticks.wrong().is_none(),
    }
}
