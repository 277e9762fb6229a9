//! Current folders that are gone, closed, or have a name that is no text: only what needs the folder fails.

use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Output};

use nix::unistd::Uid;

use super::support::Bench;

/// Runs a verb where this script of the shell leads.
#[track_caller]
fn run_in(bench: &Bench, way: &str, words: &[&str]) -> (i32, String) {
    let script = format!("{way} && exec \"$0\" \"$@\"");
    said(&mut bench.command_as(&["bash", "-c", &script].map(str::to_owned), words))
}

fn said(command: &mut Command) -> (i32, String) {
    let Output { status, stdout, stderr } = command.output().expect("it can be run");
    (status.code().unwrap_or(-1), String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned())
}

/// The folder of a git worktree that was removed.
const DELETED: &str = "mkdir gone && cd gone && rmdir ../gone";

/// Every verb with a database by an absolute path, as the bench gives it, and the code it ends with where no master runs.
const VERBS: [(&[&str], i32); 13] = [
    (&["status"], 3),
    (&["jobs", "list", "--oldest"], 0),
    (&["jobs", "show", "1"], 0),
    (&["runs"], 0),
    (&["workers"], 0),
    (&["logs"], 0),
    (&["config", "show"], 0),
    (&["config", "check"], 0),
    (&["push", "t", "1"], 0),
    (&["jobs", "delete", "1"], 0),
    (&["scale", "2"], 3),
    (&["stop"], 3),
    (&["--workers=1", "--queue=nobody", "--drain"], 0),
];

#[test]
fn where_the_current_folder_was_deleted_only_what_needs_it_fails() {
    let bench = Bench::by_its_own_path();
    bench.push(&["t"]);
    for (words, code) in VERBS {
        let (found, text) = run_in(&bench, DELETED, words);
        assert_eq!(found, code, "{words:?}: {text}");
        assert!(!text.contains("current folder"), "{words:?}: {text}");
    }
    let (code, text) = run_in(&bench, DELETED, &["push", "--", "true"]);
    assert!(code == 1 && text.contains("cannot find out the current folder"), "{text}");
    let relative = [("--database", "q.db"), ("--socket", "s"), ("--config", "q.toml")];
    for (option, path) in relative {
        let (code, text) = run_in(&bench, DELETED, &["status", option, path]);
        assert!(
            code == 2 && text.contains(&format!("`{option}`: `{path}` is relative to the current folder")),
            "{text}"
        );
    }
}

#[test]
fn a_master_that_is_started_in_a_folder_that_was_deleted_works() {
    let bench = Bench::by_its_own_path();
    let here = ["bash", "-c", &format!("{DELETED} && exec \"$0\" \"$@\"")].map(str::to_owned);
    let _master = bench.start_as(&here, &["--workers=1"]);
    let id = bench.push(&["--", "true"]);
    bench.wait_for_job(id, "succeeded");
    let all: Vec<(&[&str], i32)> = vec![(&["status"], 0), (&["scale", "2"], 0), (&["pause", "default"], 0)];
    for (words, code) in all {
        let (found, text) = run_in(&bench, DELETED, words);
        assert_eq!(found, code, "{words:?}: {text}");
    }
}

#[test]
fn where_the_current_folder_may_not_be_read_or_has_a_name_that_is_no_text_all_verbs_work() {
    let bench = Bench::by_its_own_path();
    bench.push(&["t"]);
    let name = std::ffi::OsStr::from_bytes(b"caf\xe9");
    std::fs::create_dir(bench.path().join(name)).expect("a folder");
    for (words, code) in VERBS {
        let (found, text) = run_in(&bench, "cd caf*", words);
        assert_eq!(found, code, "{words:?}: {text}");
    }
    if !Uid::effective().is_root() {
        println!("skipped: to be another user takes root");
        return;
    }
    let other = "mkdir -m 700 -p closed && chmod 755 . && cd closed && exec setpriv --reuid=64124 --regid=64124 --clear-groups \
                 env QUEUE_WORK_DATABASE=/nowhere/q.db \"$0\" \"$@\"";
    let (code, text) = said(&mut bench.command_as(&["bash", "-c", other].map(str::to_owned), &["status"]));
    if text.contains("failed to execute") {
        println!("skipped: another user cannot reach the binary");
        return;
    }
    assert!(code == 3 && text.contains("no master runs"), "{code}: {text}");
}

#[test]
fn a_database_that_another_user_owns_is_named_with_its_owner() {
    if !Uid::effective().is_root() {
        println!("skipped: to be another user takes root");
        return;
    }
    let bench = Bench::by_its_own_path();
    bench.push(&["t"]);
    let as_other = |before: &str, words: &[&str]| {
        let script = format!("{before} && exec setpriv --reuid=64124 --regid=64124 --clear-groups \"$0\" \"$@\"");
        said(&mut bench.command_as(&["bash", "-c", &script].map(str::to_owned), words))
    };
    let (_, text) = as_other("chmod 755 .", &["--version"]);
    if text.contains("failed to execute") {
        println!("skipped: another user cannot reach the binary");
        return;
    }
    for words in [&["jobs", "list", "--oldest"][..], &["push", "t"], &["runs"]] {
        let (code, text) = as_other("true", words);
        assert_eq!(code, 1, "{words:?}: {text}");
        assert!(
            text.contains("permission denied: it belongs to `root` (mode 0600); you are `64124`"),
            "{words:?}: {text}"
        );
    }
    let (code, text) = as_other("chmod 700 .", &["jobs", "list", "--oldest"]);
    assert!(code == 1 && text.contains("permission denied: the folder"), "{text}");
    assert!(text.contains("belongs to `root` (mode 0700)"), "{text}");
}
