//! A disk that is full again and again, as the tests in `tests/disk` do it: run with more cycles, for its figures.

use std::process::{Command, Stdio};

use serde_json::Value;

use super::{Bench, Figure};
use crate::table::ms;

const TEST: &str = "full::a_disk_that_is_full_many_times_loses_nothing_and_work_resumes_by_itself";

pub(super) fn measure(cycles: usize) -> Figure {
    let bench = Bench::new();
    let file = bench.path().join("figures.json");
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["test", "--locked", "--quiet", "--test", "disk"]);
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    command.args(["--", "--exact", TEST]).env("DISK_CYCLES", cycles.to_string()).env("DISK_FIGURES", &file);
    let done = command.current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null()).output().expect("cargo runs");
    let text = std::fs::read_to_string(&file)
        .unwrap_or_else(|e| panic!("no figures: {e}\n{}", String::from_utf8_lossy(&done.stderr)));
    let found: Value = serde_json::from_str(&text).expect("it writes JSON");
    let number = |name: &str| found[name].as_i64().expect("a number");
    let (lost, twice, longest) = (number("lost"), number("duplicated"), number("longest_us"));
    Figure {
        what: format!("disk full {cycles} times: lost, twice / time to resume"),
        target: "0, 0 / < 1 s",
        measured: format!(
            "{lost}, {twice} of {} acknowledged / {} (median {})",
            number("acknowledged"),
            ms(longest),
            ms(number("median_us"))
        ),
        peers: "not published",
        is_met: done.status.success() && lost == 0 && twice == 0 && longest < 1_000_000,
    }
}
