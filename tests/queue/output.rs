//! What commands print: the end of stdout is the result, the end of stderr is with the run.

use super::drain;
use super::support::Bench;

#[test]
fn the_last_64_kib_of_stdout_are_the_result_and_a_cut_is_marked() {
    let bench = Bench::new();
    let fits = bench.push(&["--", "sh", "-c", "head -c 65536 /dev/zero | tr '\\0' a"]);
    let long = bench.push(&["--", "sh", "-c", "head -c 300000 /dev/zero | tr '\\0' b; printf end"]);
    drain(&bench, &["--workers=1"]);
    let text = |id| bench.job(id)["result"].as_str().expect("a text").to_owned();
    assert_eq!(text(fits), "a".repeat(65_536));
    let kept = text(long);
    assert!(kept.starts_with("…b") && kept.ends_with("bend"), "{} bytes", kept.len());
    assert!((65_000..=65_540).contains(&kept.len()), "{} bytes", kept.len());
}

#[test]
fn output_that_is_no_text_is_kept_as_far_as_it_can_be() {
    let bench = Bench::new();
    let id = bench.push(&["--", "printf", "a\\377b\\000c\\033[31m"]);
    drain(&bench, &["--workers=1"]);
    assert_eq!(bench.job(id)["result"], "a\u{fffd}b\0c\u{1b}[31m");
    let shown = bench.ok(&["jobs", "show", &id.to_string()]);
    assert!(!shown.contains('\u{1b}') && !shown.contains('\0'), "{shown:?}");
}

#[test]
fn the_end_of_stderr_is_kept_with_the_run_and_is_not_the_result() {
    let bench = Bench::new();
    let script = "i=0; while [ $i -lt 2000 ]; do echo line $i >&2; i=$((i+1)); done; echo out";
    let id = bench.push(&["--", "sh", "-c", script]);
    drain(&bench, &["--workers=1"]);
    assert_eq!(bench.job(id)["result"], "out\n");
    let run = &bench.runs(id)[0];
    let tail = run["stderr_tail"].as_str().expect("a text");
    assert!(tail.trim_end().ends_with("line 1999"), "{tail}");
    assert!(!tail.contains("line 100\n") && tail.len() < 16_384, "{} bytes", tail.len());
}

#[test]
fn a_flood_on_both_streams_holds_nothing_up() {
    let bench = Bench::new();
    let id = bench.push(&["--", "sh", "-c", "head -c 20000000 /dev/zero | tr '\\0' x; head -c 20000000 /dev/zero >&2"]);
    let next = bench.push(&["--", "true"]);
    drain(&bench, &["--workers=1"]);
    assert_eq!((&bench.job(id)["state"], &bench.job(next)["state"]), (&"succeeded".into(), &"succeeded".into()));
    assert!(bench.job(id)["result"].as_str().expect("a text").len() <= 65_540);
}
