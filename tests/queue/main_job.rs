//! The main job: a sum of every file, one job per file, each run on record.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use super::support::{Bench, fixture};
use super::{all_jobs, all_runs, drain, micros};

/// Files of the real world that are summed, beside those made here.
const FILES: usize = 300;

/// Up to [`FILES`] files below a folder.
fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() {
            walk(&entry.path(), found);
        } else if kind.is_file() && found.len() < FILES && entry.path().to_str().is_some() {
            found.push(entry.path());
        }
    }
}

/// Names that a shell, or a careless template, would break.
fn odd_files(bench: &Bench) -> Vec<PathBuf> {
    let folder = bench.path().join("files");
    fs::create_dir(&folder).expect("a folder");
    let names = ["a b", "'q'", "\"", "$(id)", "`id`", ";ls", "ümlaut", "back\\slash", "{}", "{name}", "*", "tab\there"];
    let write = |name: &&str| {
        let path = folder.join(name);
        fs::write(&path, name).expect("a file");
        path
    };
    names.iter().map(write).collect()
}

#[test]
fn the_sum_of_each_file_is_the_result_of_its_job_and_each_run_is_on_record() {
    let bench = Bench::new();
    let mut files = odd_files(&bench);
    walk(Path::new("/usr/share/doc"), &mut files);
    let count = files.len();
    let lines: Vec<&str> = files.iter().map(|f| f.to_str().expect("UTF-8")).collect();
    let pushed = bench.verb(&["push", "--lines", "--", "sha256sum", "{}"]).stdin(lines.join("\n")).run().expect_code(0);
    assert_eq!(pushed.stdout, "");
    assert_eq!(pushed.stderr, format!("queue-work: added {count} jobs, ids 1 to {count}, batch 1\n"));

    let master = bench.run(&["--workers=4", "--queue=default", "--drain"]).expect_code(0);
    let summary = master.stderr.lines().last().unwrap_or_default();
    assert!(summary.starts_with(&format!("nothing left to do: {count} jobs in ")), "{}", master.stderr);
    assert!(summary.ends_with(&format!(": {count} succeeded")), "{}", master.stderr);

    let jobs = all_jobs(&bench);
    assert_eq!(jobs.len(), count);
    let sums = |job: &serde_json::Value| {
        let path = job["args"]["argv"][1].as_str().expect("a path").to_owned();
        (path, job["result"].as_str().unwrap_or_else(|| panic!("no result: {job}")).to_owned())
    };
    let results: BTreeMap<String, String> = jobs.iter().map(sums).collect();
    for (file, chunk) in files.iter().zip(sha256sum(&files)) {
        assert_eq!(results[file.to_str().expect("UTF-8")], chunk);
    }
    let runs = all_runs(&bench);
    let ran: BTreeSet<i64> = runs.iter().map(|r| r["job_id"].as_i64().expect("an id")).collect();
    assert_eq!((runs.len(), ran.len()), (count, count));
    for run in &runs {
        let worker = run["worker"].as_str().expect("a worker");
        assert!(["default-1", "default-2", "default-3", "default-4"].contains(&worker), "{run}");
        assert_eq!((&run["outcome"], &run["exit_code"], &run["attempt"]), (&json!("succeeded"), &json!(0), &json!(1)));
        let took = micros(&run["ended_at"]) - micros(&run["started_at"]);
        let duration = run["duration_s"].as_f64().expect("seconds");
        assert!(took >= 0 && (duration * 1e6 - took as f64).abs() < 2.0, "{run}");
        assert!(run["waited_s"].as_f64().expect("seconds") >= 0.0, "{run}");
        assert!(run["peak_memory_bytes"].as_u64().expect("bytes") > 100_000, "{run}");
        assert!(run["pid"].as_u64().expect("a pid") > 1, "{run}");
    }
    let status = bench.status();
    assert_eq!((&status["queues"][0]["succeeded_total"], &status["queues"][0]["ready"]), (&json!(count), &json!(0)));
    bench.expect_no_leftovers();
}

/// What the tool itself prints for each file.
fn sha256sum(files: &[PathBuf]) -> Vec<String> {
    let out = Command::new("sha256sum").args(files).output().expect("sha256sum is installed");
    let text = String::from_utf8(out.stdout).expect("UTF-8");
    text.lines().map(|line| format!("{line}\n")).collect()
}

#[test]
fn a_worker_program_gets_the_args_and_its_answers_are_the_results() {
    let bench = Bench::new();
    let add = bench.push(&["add", "[2, 3]"]);
    let unknown = bench.push(&["--max-attempts=1", "no-such-type"]);
    let python = fixture("echo.py")[0].clone();
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/worker.py");
    drain(&bench, &["--workers=2", "--", &python, example.to_str().expect("UTF-8")]);
    let job = bench.job(add);
    assert_eq!((&job["state"], &job["result"]), (&json!("succeeded"), &json!(5)));
    let job = bench.job(unknown);
    assert_eq!((&job["state"], &job["cause"], &job["attempts"]), (&json!("dead"), &json!("max_attempts"), &json!(1)));
    bench.expect_no_leftovers();
}

#[test]
fn the_summary_counts_jobs_by_how_they_ended() {
    let bench = Bench::new();
    for _ in 0..3 {
        bench.push(&["--", "true"]);
    }
    for _ in 0..2 {
        bench.push(&["--max-attempts=2", "--", "false"]);
    }
    let cancelled = bench.push(&["--", "true"]);
    bench.ok(&["jobs", "cancel", &cancelled.to_string()]);
    let master = drain(&bench, &["--workers=2"]);
    let mut last = master.stderr.lines().rev();
    assert_eq!(last.next(), Some("queue-work: 2 jobs died; see `queue-work jobs --state dead`"));
    let summary = last.next().unwrap_or_default();
    assert!(summary.starts_with("nothing left to do: 5 jobs in "), "{summary}");
    assert!(summary.contains("3 succeeded, 2 dead"), "{summary}");
    let status = bench.status();
    let queue = &status["queues"][0];
    assert_eq!((&queue["succeeded_total"], &queue["dead"], &queue["failed_total"]), (&json!(3), &json!(2), &json!(4)));
}

#[test]
fn a_master_with_nothing_to_drain_ends_at_once() {
    let bench = Bench::new();
    let master = drain(&bench, &["--workers=1"]);
    assert!(master.stderr.contains("nothing left to do: 0 jobs"), "{}", master.stderr);
    bench.expect_no_leftovers();
}
