//! What workers print: where it goes, under which label, and how much of it is kept.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::peer::Peer;
use crate::support::{Bench, DEADLINE, Master, eventually, fixture};

/// A master with one worker of a pool `talk` and one of a pool `other`, each serving the queue of its name.
fn start<'a>(bench: &'a Bench, top: &str, args: &[&str]) -> Master<'a> {
    let command = json!(fixture("says.py"));
    let pool = |name| format!("[pools.{name}]\nworkers = 1\ncommand = {command}\n");
    fs::write(bench.path().join("queue-work.toml"), format!("{top}\n{}{}", pool("talk"), pool("other")))
        .expect("written");
    bench.start(args)
}

fn says(queue: &str, err: &[&str], out: &[&str]) -> Vec<String> {
    let args = json!({"err": err, "out": out}).to_string();
    ["--queue", queue, "say", &args].map(str::to_owned).to_vec()
}

#[track_caller]
fn push(bench: &Bench, args: &[String]) -> i64 {
    let id = bench.push(&args.iter().map(String::as_str).collect::<Vec<_>>());
    bench.wait_for("the job to end", DEADLINE, |b| !b.job(id)["finished_at"].is_null());
    id
}

/// Waits until `logs` with these arguments prints so many lines, and returns them.
#[track_caller]
fn logs(bench: &Bench, args: &[&str], count: usize) -> Vec<String> {
    let all: Vec<&str> = ["logs"].iter().chain(args).copied().collect();
    let mut lines = Vec::new();
    let came = eventually(DEADLINE, || {
        lines = bench.ok(&all).lines().map(str::to_owned).collect();
        lines.len() >= count
    });
    assert!(came && lines.len() == count, "{count} lines of {all:?}, got {lines:#?}");
    lines
}

#[test]
fn output_is_labelled_with_worker_and_job_and_can_be_asked_for_by_each() {
    let bench = Bench::new();
    let _master = start(&bench, "", &[]);
    let first = push(&bench, &says("talk", &["oh no"], &["a stray print", "{\"not\": \"a message\"}"]));
    let second = push(&bench, &says("other", &["elsewhere"], &[]));
    let all = logs(&bench, &[], 4);
    assert!(
        all.iter().any(|l| l.contains("talk-1") && l.contains(&first.to_string()) && l.ends_with("oh no")),
        "{all:?}"
    );
    for args in [["talk-1"].as_slice(), &["--queue", "talk"], &["--job", &first.to_string()]] {
        let lines = logs(&bench, args, 3);
        assert!(lines.iter().all(|l| l.contains("talk-1")), "{lines:?}");
    }
    assert!(logs(&bench, &["--queue", "other"], 1)[0].ends_with("elsewhere"));
    assert_eq!(logs(&bench, &["-n", "1"], 1), all[3..]);
    let json: Value = bench.run(&["logs", "--job", &second.to_string(), "--json"]).json();
    assert_eq!((&json[0]["worker"], &json[0]["stream"]), (&json!("other-1"), &json!("err")));
    assert_eq!((&json[0]["job"], &json[0]["text"]), (&json!(second), &json!("elsewhere")));
    assert_eq!(bench.run(&["logs", "none-1"]).expect_code(4).stdout, "");
    assert_eq!(bench.run(&["logs", "--queue", "none"]).expect_code(4).stdout, "");
    assert_eq!(bench.run(&["logs", "--job", "99"]).expect_code(4).stdout, "");
}

#[test]
fn output_is_there_after_the_master_and_following_needs_one() {
    let bench = Bench::new();
    let mut master = start(&bench, "", &[]);
    let id = push(&bench, &says("talk", &["kept"], &[]));
    master.signal(Signal::SIGTERM);
    master.wait_exit(DEADLINE);
    assert!(logs(&bench, &[], 1)[0].ends_with("kept"));
    logs(&bench, &["--job", &id.to_string()], 1);
    logs(&bench, &["--queue", "talk"], 1);
    let refused = bench.run(&["logs", "-f"]).expect_code(3);
    assert!(refused.stderr.contains("no master runs on"), "{}", refused.stderr);
}

/// `logs -f` in the background.
struct Follower {
    child: Child,
    to: PathBuf,
}

impl Follower {
    fn start(bench: &Bench, args: &[&str]) -> Self {
        let to = bench.path().join(format!("follow{}", args.join("")));
        let mut command: Command = bench.std_command();
        command.args(["logs", "-f", "-n", "1"]).args(args).stdout(File::create(&to).expect("a file"));
        Self { child: command.stderr(std::process::Stdio::null()).spawn().expect("started"), to }
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.to).expect("a file")
    }
}

#[test]
fn followers_get_what_comes_each_line_once_until_the_master_ends() {
    let bench = Bench::new();
    let mut master = start(&bench, "", &[]);
    let before = push(&bench, &says("talk", &["before 1", "before 2"], &[]));
    logs(&bench, &[], 2);
    let mut followers = [&[][..], &["talk-1"], &["--queue", "other"], &["--job", &before.to_string()]]
        .map(|args| Follower::start(&bench, args));
    // They are there when they have printed what there was; the third has nothing to print yet.
    for at in [0, 1, 3] {
        bench.wait_for("the tail", DEADLINE, |_| followers[at].text().lines().count() == 1);
    }
    bench.wait_for("the third to follow", DEADLINE, |b| {
        push(b, &says("other", &["knock"], &[]));
        followers[2].text().contains("knock")
    });
    push(&bench, &says("talk", &["after"], &["and out"]));
    for at in [0, 1] {
        bench.wait_for("what came", DEADLINE, |_| followers[at].text().contains("and out"));
    }
    master.signal(Signal::SIGTERM);
    master.wait_exit(DEADLINE);
    for follower in &mut followers {
        assert_eq!(follower.child.wait().expect("our child").code(), Some(0));
    }
    let of = |at: usize, what: &str| followers[at].text().lines().filter(|l| l.ends_with(what)).count();
    assert_eq!((of(0, "before 2"), of(0, "after"), of(0, "before 1")), (1, 1, 0));
    assert!(followers[1].text().lines().all(|l| l.contains("talk-1")), "{}", followers[1].text());
    assert!(followers[2].text().lines().all(|l| l.ends_with("knock")), "{}", followers[2].text());
    assert_eq!(followers[3].text().lines().count(), 1, "{}", followers[3].text());
}

#[test]
fn the_foreground_shows_output_with_v_only() {
    for (option, shown) in [("-v", true), ("-q", false)] {
        let bench = Bench::new();
        let master = start(&bench, "", &[option]);
        let id = push(&bench, &says("talk", &["to be seen"], &["or not"]));
        logs(&bench, &[], 2);
        let labelled = |text: &str| {
            let stderr = master.stderr();
            stderr.lines().any(|l| l.ends_with(text) && l.contains("talk-1") && l.contains(&id.to_string()))
        };
        if shown {
            bench.wait_for("the output", DEADLINE, |_| labelled("to be seen") && labelled("or not"));
        }
        assert_eq!(master.stderr().contains("to be seen"), shown, "{}", master.stderr());
    }
}

#[test]
fn files_are_rotated_at_their_size_and_only_so_many_are_kept() {
    let bench = Bench::new();
    let _master = start(&bench, "log_file_size = \"2K\"\nlog_files = 3\n", &[]);
    let lines: Vec<String> = (0..1000).map(|n| format!("this is line {n:04}")).collect();
    push(&bench, &says("talk", &lines.iter().map(String::as_str).collect::<Vec<_>>(), &[]));
    let last = || bench.ok(&["logs", "-n", "1"]).trim_end().ends_with("line 0999");
    bench.wait_for("the last line", DEADLINE, |_| last());
    let folder = bench.path().join("q.db.logs");
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).expect("a folder").map(|e| e.expect("an entry")) {
        let size = entry.metadata().expect("a file").len();
        assert!(size <= 2048, "{} has {size} bytes", entry.path().display());
        names.push(entry.file_name().into_string().expect("UTF-8"));
    }
    names.sort();
    assert_eq!(names, ["talk-1.log", "talk-1.log.1", "talk-1.log.2"]);
    let kept = bench.ok(&["logs", "-n", "1000"]);
    let kept: Vec<&str> = kept.lines().map(|l| &l[l.len() - 4..]).collect();
    let expected: Vec<String> = (1000 - kept.len()..1000).map(|n| format!("{n:04}")).collect();
    assert!(kept.len() > 50 && kept == expected, "{kept:?}");
}

#[test]
fn escape_sequences_reach_nobody() {
    let bench = Bench::new();
    let master = start(&bench, "", &["-vv"]);
    let evil = "\u{1b}[2J\u{1b}]0;title\u{7}\u{9b}31m\rover\u{202e}";
    let args = json!({"err": [evil], "out": [evil], "fail": evil}).to_string();
    let id = push(&bench, &["--queue", "talk", "say", &args].map(str::to_owned));
    logs(&bench, &[], 2);
    let id = id.to_string();
    for words in [
        &["logs"][..],
        &["logs", "--json"],
        &["runs"],
        &["runs", "--json"],
        &["jobs", "list", "--oldest"],
        &["jobs", "show", &id],
        &["jobs", "show", &id, "--json"],
        &["jobs", "wait", &id],
        &["status"],
        &["workers"],
    ] {
        let run = bench.run(words);
        // JSON is for programs; but what is below a blank is escaped there too.
        let raw = |c: char| {
            c < ' ' && c != '\n' || !words.contains(&"--json") && (c.is_control() && c != '\n' || c == '\u{202e}')
        };
        assert!(!run.stdout.contains(raw) && !run.stderr.contains(raw), "{words:?}: {run:?}");
    }
    bench.wait_for("the failure", DEADLINE, |_| master.stderr().contains("over"));
    let raw = |c: char| c.is_control() && c != '\n' || c == '\u{202e}';
    assert!(!master.stderr().contains(raw), "{:?}", master.stderr());
}

#[test]
fn every_line_of_a_flood_is_kept_or_counted_and_others_go_on() {
    const MIB: usize = 16;
    let bench = Bench::new();
    let flood = json!(fixture("flood_stderr.py"));
    let quiet = json!(fixture("echo.py"));
    let config = format!(
        "log_file_size = \"1G\"\n[pools.flood]\nworkers = 1\ncommand = {flood}\nenv = {{ FLOOD_MB = \"{MIB}\" }}\n\
         [pools.quiet]\nworkers = 1\ncommand = {quiet}\n"
    );
    fs::write(bench.path().join("queue-work.toml"), config).expect("written");
    let _master = bench.start(&[]);
    let mut peer = Peer::new(&bench);
    let flooding = peer.call("push", &json!({"type": "t", "queue": "flood"}))["id"].clone();
    bench.wait_for("the flood", DEADLINE, |b| b.path().join("q.db.logs/flood-1.log").exists());
    for _ in 0..20 {
        let id = peer.call("push", &json!({"type": "t", "queue": "quiet"}))["id"].clone();
        assert_eq!(peer.call("jobs.wait", &json!({"id": id}))["state"], "succeeded");
    }
    assert_eq!(peer.call("jobs.wait", &json!({"id": flooding}))["state"], "succeeded");
    let counted = || {
        let text = fs::read_to_string(bench.path().join("q.db.logs/flood-1.log")).expect("the log");
        let of = |line: &str| -> usize {
            let dropped = line.split_once(" - [").and_then(|(_, rest)| rest.split_once(" line"));
            dropped.map_or(usize::from(line.ends_with("no interest on stderr")), |(n, _)| n.parse().expect("a number"))
        };
        text.lines().map(of).sum::<usize>()
    };
    bench.wait_for("every line", DEADLINE, |_| counted() == MIB * 32768);
}

#[test]
fn a_log_that_is_moved_deleted_replaced_or_emptied_from_outside_hides_nothing() {
    let bench = Bench::new();
    let _master = start(&bench, "", &[]);
    let dir = bench.path().join("q.db.logs");
    let (log, aside) = (dir.join("talk-1.log"), dir.join("aside"));
    let text = |path: &std::path::Path| std::fs::read_to_string(path).unwrap_or_default();
    let say = |what: &str| {
        push(&bench, &says("talk", &[what], &[]));
        bench.wait_for("the line in the file", DEADLINE, |_| text(&log).contains(what));
    };
    say("one");
    std::fs::rename(&log, &aside).expect("moved, as logrotate does");
    say("two");
    assert!(text(&aside).contains("one") && !text(&aside).contains("two"), "{}", text(&aside));
    assert!(!text(&log).contains("one"), "{}", text(&log));
    std::fs::copy(&log, &aside).expect("copied …");
    std::fs::File::options().write(true).open(&log).and_then(|file| file.set_len(0)).expect("… and truncated");
    say("three");
    assert!(!text(&log).contains('\0') && text(&log).lines().count() == 1, "{:?}", text(&log));
    std::fs::remove_file(&log).expect("deleted");
    say("four");
    std::fs::write(dir.join("new"), "").and_then(|()| std::fs::rename(dir.join("new"), &log)).expect("replaced");
    say("five");
    std::fs::remove_dir_all(&dir).expect("the whole folder");
    say("six");
    assert_eq!(logs(&bench, &[], 1).len(), 1);
}

#[test]
fn logs_of_pools_that_are_gone_go_with_the_records_of_their_runs() {
    let bench = Bench::new();
    let _master = start(&bench, "[keep]\nruns = \"3s\"\n", &[]);
    let dir = bench.path().join("q.db.logs");
    push(&bench, &says("talk", &["of one that lives"], &[]));
    bench.ok(&["spawn", "--queue", "short", "--workers", "1"]);
    let id = bench.push(&["--queue", "short", "--", "sh", "-c", "echo of one that goes >&2"]);
    bench.wait_for_job(id, "succeeded");
    std::fs::write(dir.join("mine.log"), "of somebody else\n").expect("written");
    let there = |name: &str| dir.join(name).exists();
    bench.wait_for("both logs", DEADLINE, |_| there("talk-1.log") && there("short-1.log"));
    bench.ok(&["stop", "short-1"]);
    bench.wait_for("the log of the pool that is gone to be removed", DEADLINE, |_| !there("short-1.log"));
    assert!(there("talk-1.log") && there("mine.log"));
}
