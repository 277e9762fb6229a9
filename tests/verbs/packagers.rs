//! `completions` and `man`.

use std::process::{Command, Stdio};

use super::support::Bench;

#[test]
fn there_is_a_completion_script_for_each_shell() {
    let bench = Bench::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = bench.ok(&["completions", shell]);
        for word in ["queue-work", "QUEUE_WORK_COMPLETE"] {
            assert!(script.contains(word), "{shell} has no {word}");
        }
    }
    let run = bench.run(&["completions", "tcsh"]).expect_code(2);
    assert!(run.stderr.contains("bash"), "{}", run.stderr);
    bench.run(&["completions"]).expect_code(2);
}

#[test]
fn bash_takes_the_script() {
    let bench = Bench::new();
    let script = bench.path().join("complete.bash");
    std::fs::write(&script, bench.ok(&["completions", "bash"])).expect("written");
    let out = Command::new("bash").arg("-n").arg(&script).stdin(Stdio::null()).output().expect("bash is installed");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
}

#[test]
fn there_is_a_manual_page_of_everything_and_of_each_verb() {
    let bench = Bench::new();
    let page = bench.ok(&["man"]);
    assert!(page.contains(".TH queue-work 1") && page.contains("durable queue"), "{page}");
    for (verb, part) in [(&["push"][..], "queue-work-push"), (&["jobs", "list"], "queue-work-jobs-list")] {
        let page = bench.ok(&[&["man"], verb].concat());
        assert!(page.contains(part), "{page}");
    }
    let run = bench.run(&["man", "nope"]).expect_code(2);
    assert!(run.stderr.contains("`nope`"), "{}", run.stderr);
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let bench = Bench::new();
    bench.verb(&["push", "--lines", "t"]).stdin("x\n".repeat(20_000)).run().expect_code(0);
    for words in [&["jobs", "list", "--limit=20000"][..], &["jobs", "list", "--jsonl", "--limit=20000"], &["man"]] {
        let mut child = bench.command(words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        drop(child.stdout.take());
        let out = child.wait_with_output().expect("it ends");
        let stderr = String::from_utf8_lossy(&out.stderr);
        assert!(out.status.success() && stderr.is_empty(), "{words:?}: {:?} {stderr}", out.status);
    }
}
