//! The example workers in every language that is installed here, as workers of a real master.

use std::io::Write;
use std::path::Path;

use serde_json::json;

use crate::support::{Bench, DEADLINE};

#[track_caller]
fn works(program: &str, file: &str) {
    let installed =
        std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|d| d.join(program).is_file()));
    if !installed {
        let note = format!("skipped: {program} is not installed, so examples/{file} was not tried\n");
        std::io::stderr().write_all(note.as_bytes()).expect("a stderr");
        return;
    }
    let bench = Bench::new();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(file);
    let sums: Vec<i64> = (0..10).map(|n| bench.push(&["add", &format!("[{n}, 100]")])).collect();
    let echo = bench.push(&["echo", "\"ü € \\u0001 \\\"quoted\\\"\""]);
    let steps = bench.push(&["progress"]);
    let unknown = bench.push(&["--max-attempts", "1", "no-such-type"]);
    let fails = bench.push(&["--max-attempts", "1", "fail"]);
    let mut master = bench.launch(&["--workers", "2", "--drain", "--", program, script.to_str().expect("UTF-8")]);
    // Two of them die.
    assert_eq!(master.wait_exit(DEADLINE).code(), Some(1), "{}", bench.dump());
    for (id, n) in sums.into_iter().zip(0..) {
        assert_eq!(bench.job(id)["result"], 100 + n, "{}", bench.job(id));
    }
    assert_eq!(bench.job(echo)["result"], "ü € \u{1} \"quoted\"");
    assert_eq!(bench.job(steps)["state"], "succeeded");
    assert_eq!((&bench.job(unknown)["state"], bench.runs(unknown).len()), (&json!("dead"), 1));
    let failed = bench.job(fails);
    let error = failed["error"].as_str().expect("a text");
    assert!(error.ends_with("it was asked to fail"), "{failed}");
    if let Some(kind) = failed["error_type"].as_str() {
        assert_eq!(error, format!("{kind}: it was asked to fail"));
        assert!(failed["backtrace"].as_str().expect("a text").contains(file), "{failed}");
    }
    bench.expect_no_leftovers();
}

#[test]
fn a_worker_in_python_runs_jobs() {
    works("python3", "worker.py");
}

#[test]
fn a_worker_in_node_runs_jobs() {
    works("node", "worker.js");
}

#[test]
fn a_worker_in_bash_runs_jobs() {
    works("bash", "worker.sh");
}

#[test]
fn a_worker_in_php_runs_jobs() {
    works("php", "worker.php");
}

#[test]
fn a_worker_in_ruby_runs_jobs() {
    works("ruby", "worker.rb");
}

#[test]
fn a_worker_in_perl_runs_jobs() {
    works("perl", "worker.pl");
}
