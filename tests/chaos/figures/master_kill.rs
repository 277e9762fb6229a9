//! `kill -9` of the master: until none of its descendants is left, those in sessions of their own included.

use serde_json::json;

use super::{Bench, Figure, job, push, start};
use crate::clock;
use crate::support::DEADLINE;
use crate::table::{Times, ms};
use crate::victims;

const WORKERS: usize = 4;
/// Workers of both pools, what they run, and what has left its session.
const DESCENDANTS: usize = WORKERS + 2 + 2 + WORKERS;

pub(super) fn measure(samples: usize) -> Figure {
    let bench = Bench::new();
    let script = "trap '' TERM HUP; setsid sh -c 'trap \"\" TERM HUP; sleep 300 & sleep 301' & sleep 302";
    push(
        &bench,
        (0..2).map(|_| {
            let args = json!({"argv": ["sh", "-c", script], "cwd": bench.path()});
            json!({"queue": "cmd", "type": "exec", "args": args})
        }),
    );
    let mut most = 0;
    let times = (0..samples).map(|_| {
        let mut chief = start(&bench, WORKERS, "");
        push(&bench, (0..2 * WORKERS).map(|_| job("forks", 10)));
        let ready = clock::soon(DEADLINE, || {
            let all = victims::find(bench.database());
            let descendants = all.iter().filter(|process| process.cookie.is_some()).count();
            most = most.max(descendants);
            descendants >= DESCENDANTS
        });
        assert!(ready, "only {most} descendants");
        let doomed = victims::cookies(bench.database());
        let at = chief.kill9();
        let gone = victims::gone(bench.database(), &doomed, DEADLINE);
        gone.unwrap_or_else(|left| panic!("left behind: {left:?}")) - at
    });
    let times = Times::new(times.collect());
    let (median, worst) = (times.percentile(50), times.percentile(100));
    Figure {
        what: "`kill -9` of the master: no descendant left, also setsid grandchildren".to_owned(),
        target: "< 1 s, always",
        measured: format!(
            "{} at most (median {}, {} kills, up to {most} descendants)",
            ms(worst),
            ms(median),
            times.len()
        ),
        peers: "supervisord, pm2, circus, runit, s6: all 50 of 50 live on",
        is_met: worst < 1_000_000,
    }
}
