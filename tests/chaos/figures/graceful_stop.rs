//! Stops under load, by signal and by verb: no job is killed, none is charged for it.

use std::time::Duration;

use serde_json::json;

use super::{Bench, Figure, job, push, start};
use crate::clock;
use crate::dice::Dice;
use crate::records::Records;
use crate::support::DEADLINE;
use crate::table::{Times, ms};
use crate::witness::Witness;
use crate::worker;

const WORKERS: usize = 4;
/// Jobs for each stop; none waits for its end.
const LOAD: usize = 300;

pub(super) fn measure(samples: usize) -> Figure {
    let bench = Bench::new();
    let mut dice = Dice::new(1, 1);
    let mut witness = Witness::new(&bench.path().join("witness"));
    let mut times = Vec::new();
    for n in 0..samples {
        load(&bench, &mut dice);
        let before = witness.read().starts;
        let mut chief = start(&bench, WORKERS, "");
        assert!(clock::soon(DEADLINE, || witness.read().starts > before), "no job begins");
        clock::pass(Duration::from_millis(dice.below(100)));
        let at = clock::micros();
        if n % 2 == 0 {
            bench.ok(&["stop"]);
            assert!(clock::soon(DEADLINE, || chief.has_ended().is_some()), "it has said that it ended");
        } else {
            chief.stop();
        }
        times.push(clock::micros() - at);
    }
    let seen = witness.read();
    let killed = seen.starts - seen.ends;
    let mut records = Records::open(bench.database());
    let jobs = records.jobs_after(0);
    let charged: u32 = jobs.iter().map(|job| job.counters.attempts + job.counters.crashes).sum();
    let interrupted = records
        .runs_after(0)
        .iter()
        .filter(|run| run.outcome != queue_work::testing::model::Outcome::Succeeded)
        .count();
    let times = Times::new(times);
    Figure {
        what: "graceful stop under load: jobs killed, charged an attempt".to_owned(),
        target: "0 / 0",
        measured: format!(
            "{killed} / {charged} in {} stops, {} jobs done ({} median)",
            times.len(),
            seen.ends,
            ms(times.percentile(50))
        ),
        peers: "not published",
        is_met: killed == 0 && charged == 0 && interrupted == 0,
    }
}

/// More jobs than are done until the stop: programs and commands, short and less so.
fn load(bench: &Bench, dice: &mut Dice) {
    let witness = bench.path().join("witness");
    let mut one = |n: usize| {
        let ms = dice.weighted(&[(70, 0), (20, 5), (10, 40)]);
        if !n.is_multiple_of(4) {
            return job("well", ms);
        }
        let env = json!({worker::ROLE: "command", worker::WITNESS: witness, worker::DEED: "well",
                         worker::MS: ms.to_string()});
        let args = json!({"argv": worker::command_line(), "cwd": bench.path(), "env": env});
        json!({"queue": "cmd", "type": "exec", "args": args})
    };
    let jobs: Vec<_> = (0..LOAD).map(&mut one).collect();
    push(bench, jobs.into_iter());
}
