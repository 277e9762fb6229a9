//! What people see on a terminal of a given size.

use std::fs::File;
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::process::Stdio;

use nix::pty::{Winsize, openpty};

use super::support::{Bench, DEADLINE};

/// The lines that a verb prints on a terminal of this size, without colours.
fn shown(bench: &Bench, args: &[&str], size: (u16, u16)) -> Vec<String> {
    let text = printed(bench, args, size);
    anstream::adapter::strip_str(&text).to_string().lines().map(str::to_owned).collect()
}

/// What a verb prints on a terminal of this size.
fn printed(bench: &Bench, args: &[&str], (ws_col, ws_row): (u16, u16)) -> String {
    let pty = openpty(&Winsize { ws_row, ws_col, ws_xpixel: 0, ws_ypixel: 0 }, None).expect("a terminal");
    let own = |end: &OwnedFd| Stdio::from(end.try_clone().expect("a copy"));
    let mut command = bench.command(args);
    command.stdout(own(&pty.slave)).stderr(own(&pty.slave)).env("TERM", "xterm").env_remove("NO_COLOR");
    let mut child = command.spawn().expect("it starts");
    let (mut terminal, mut text) = (File::from(pty.master), Vec::new());
    drop((command, pty.slave));
    // Reading fails once the last of those who write is gone.
    let mut part = [0; 4096];
    while let Ok(read @ 1..) = terminal.read(&mut part) {
        text.extend_from_slice(&part[..read]);
    }
    child.wait().expect("it ends");
    String::from_utf8(text).expect("UTF-8").replace("\r\n", "\n")
}

fn expect_fits(lines: &[String], (columns, rows): (usize, usize)) {
    let screen = lines.join("\n");
    assert!(lines.len() < rows, "{} lines:\n{screen}", lines.len());
    for line in lines {
        assert!(line.chars().count() <= columns, "{} columns: {line}\n{screen}", line.chars().count());
    }
}

/// Jobs of one queue: how many, and what each runs, where `@` is its number.
const JOBS: [(usize, &str, &str); 5] = [
    (125, "mail", "echo smtp server 10.0.0.@ refused: greylisted >&2; exit 1"),
    (79, "mail", "echo KeyError: customer @ >&2; exit 2"),
    (40, "images", "echo cannot open image @.png >&2; exit 1"),
    (100, "default", "exit 3"),
    (400, "images", "true"),
];

#[test]
fn what_kills_jobs_can_be_read_on_a_small_screen_however_many_workers_there_are() {
    let bench = Bench::new();
    let mut lines = Vec::new();
    for (count, queue, script) in JOBS {
        for n in 0..count {
            let args = serde_json::json!({"argv": ["sh", "-c", script.replace('@', &n.to_string())]});
            let job = serde_json::json!({"type": "exec", "queue": queue, "max_attempts": 1, "args": args});
            lines.push(job.to_string());
        }
    }
    bench.verb(&["push", "--jsonl"]).stdin(lines.join("\n")).run().expect_code(0);
    let _master = bench.start(&["--workers", "13", "--queue", "mail,images,default"]);
    bench.wait_for("the jobs to end", DEADLINE, |bench| {
        let queues = bench.status()["queues"].as_array().cloned().unwrap_or_default();
        queues.iter().map(|queue| queue["dead"].as_u64().unwrap_or_default()).sum::<u64>() == 344
            && queues.iter().all(|queue| queue["ready"] == 0 && queue["running"] == 0)
    });
    let small = shown(&bench, &["status"], (80, 24));
    expect_fits(&small, (80, 24));
    let screen = small.join("\n");
    for part in [
        "dead: 344 jobs",
        "125 x exec exit status 1: smtp server … refused: greylisted",
        "100 x exec exit status 3",
        "79 x exec exit status 2: KeyError: customer …",
        "40 x exec exit status 1: cannot open image ….png",
        "more workers; see all with `--all`",
    ] {
        assert!(screen.contains(part), "no {part:?} in\n{screen}");
    }
    let causes = screen.find("dead: 344").expect("it is there");
    assert!(causes < screen.find("queue ").expect("queues") && causes < screen.find("worker ").expect("workers"));
    for size in [(120, 60), (60, 30), (200, 24)] {
        expect_fits(&shown(&bench, &["status"], size), (size.0.into(), size.1.into()));
    }
    let all = shown(&bench, &["status", "--all"], (80, 24));
    assert_eq!(all.iter().filter(|line| line.contains(" idle ")).count(), 39, "{all:#?}");
}

/// Verbs that print something for people, once there is a job.
const LOOKS: [&[&str]; 13] = [
    &["status"],
    &["status", "--all"],
    &["jobs"],
    &["jobs", "show", "1"],
    &["runs"],
    &["errors"],
    &["doctor"],
    &["workers"],
    &["logs"],
    &["config", "show"],
    &["-h"],
    &["push", "--help"],
    &["help", "options"],
];

/// A bench with a job that has died.
fn with_a_dead_job() -> Bench {
    let bench = Bench::new();
    bench.push(&["--max-attempts", "1", "--", "sh", "-c", "echo out; echo rather long words of an error >&2; exit 1"]);
    bench.run(&["--drain", "--queue", "default", "--workers", "1"]).expect_code(1);
    bench
}

#[test]
fn a_terminal_that_is_too_small_or_has_no_size_gets_everything_all_the_same() {
    let bench = with_a_dead_job();
    for words in LOOKS {
        for size in [(20, 5), (1, 1), (0, 0), (0, 24), (80, 0), (u16::MAX, u16::MAX)] {
            let screen = shown(&bench, words, size).join("\n");
            assert!(!screen.is_empty() && !screen.contains("panicked"), "{words:?} at {size:?}:\n{screen}");
        }
    }
    // As far as a list can be made narrow.
    for words in [&["jobs"][..], &["runs"], &["errors"], &["workers"]] {
        let screen = shown(&bench, words, (40, 24));
        assert!(screen.iter().all(|line| line.chars().count() <= 60), "{words:?}: {screen:#?}");
    }
}

#[test]
fn what_the_environment_says_of_the_terminal_may_be_nonsense() {
    let bench = with_a_dead_job();
    for words in LOOKS {
        let code = if words[0] == "status" { 3 } else { 0 };
        let plain = bench.run(words).expect_code(code).stdout;
        assert!(!plain.contains('\u{1b}'), "{words:?}: colours in a pipe");
        for (name, value) in [("COLUMNS", "many"), ("COLUMNS", "-5"), ("COLUMNS", ""), ("LINES", "x"), ("TERM", "dumb")]
        {
            let run = bench.verb(words).env(name, value).run().expect_code(code);
            // Ages grow.
            let same = run.stdout.lines().count() == plain.lines().count();
            assert!(same && !run.stderr.contains("panicked"), "{words:?} with {name}={value}: {run:?}\n{plain}");
        }
        for value in ["0", "1", "20", "99999999999999999999"] {
            let run = bench.verb(words).env("COLUMNS", value).run().expect_code(code);
            assert!(!run.stdout.is_empty(), "{words:?} with COLUMNS={value}");
        }
    }
}

#[test]
fn a_reader_that_wants_one_line_only_ends_the_command_without_a_word() {
    let bench = with_a_dead_job();
    for words in LOOKS {
        let mut child = bench.command(words);
        let mut child = child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        drop(child.stdout.take());
        let out = child.wait_with_output().expect("it ends");
        let stderr = String::from_utf8_lossy(&out.stderr);
        assert!(out.status.code() == Some(0) && stderr.is_empty(), "{words:?}: {:?} {stderr}", out.status);
    }
}

#[test]
fn many_queues_pools_and_problems_leave_room_for_each_other() {
    let bench = Bench::new();
    let mut pools: Vec<String> = (0..30).map(|n| format!("[pools.p{n}]\nworkers = 1\n")).collect();
    pools.push("[pools.broken]\nworkers = 1\ncommand = [\"no-such-program\"]\n".to_owned());
    std::fs::write(bench.path().join("queue-work.toml"), pools.concat()).expect("written");
    for n in 0..40 {
        bench.push(&["--queue", &format!("queue{n}"), "--", "true"]);
    }
    bench.push(&["--queue=p1", "--max-attempts=1", "--", "sh", "-c", "echo no paper >&2; exit 1"]);
    let master = bench.start(&[]);
    bench.wait_for("what is wrong to be known", DEADLINE, |bench| {
        let status = bench.status();
        status["unserved"].as_array().map(Vec::len) == Some(40)
            && status["queues"].as_array().is_some_and(|all| all.iter().any(|queue| queue["dead"] == 1))
            && status["pools"][0]["problem"].is_string()
    });
    for size in [(80, 24), (120, 60), (200, 30)] {
        let lines = shown(&bench, &["status"], size);
        let screen = lines.join("\n");
        assert!(lines.len() < usize::from(size.1), "{} lines:\n{screen}", lines.len());
        for part in ["master ", "problem: ", "more problems", "1 x exec exit status 1: no paper", "more queues"] {
            assert!(screen.contains(part), "no {part:?} at {size:?} in\n{screen}");
        }
        assert!(screen.contains("\nbroken-1 "), "it is in trouble:\n{screen}");
    }
    let all = shown(&bench, &["status", "--all"], (80, 24)).join("\n");
    assert_eq!((all.matches("problem: ").count(), all.contains("see all with")), (41, false), "{all}");
    drop(master);
}

#[test]
fn states_have_colours_on_a_terminal_only() {
    let bench = Bench::new();
    bench.push(&["--max-attempts=1", "--", "false"]);
    bench.run(&["--drain", "--queue=default"]).expect_code(1);
    let red = "\x1b[31mdead\x1b[0m";
    assert!(printed(&bench, &["jobs"], (80, 24)).contains(red));
    assert!(printed(&bench, &["status"], (80, 24)).contains("\x1b[31m1\x1b[0m"), "the number of dead jobs");
    assert!(!bench.ok(&["jobs"]).contains('\x1b'));
}

#[test]
fn lists_are_as_wide_as_the_terminal() {
    let bench = Bench::new();
    let script = "echo this is a rather long line about what went wrong >&2; exit 1";
    for _ in 0..3 {
        bench.push(&["--max-attempts", "1", "--", "sh", "-c", script]);
    }
    bench.run(&["--drain", "--queue", "default", "--autoscale", "0..1"]).expect_code(1);
    for list in [&["jobs"][..], &["runs"], &["errors"], &["workers"], &["autoscale", "--history=1h"]] {
        for width in [60, 80, 120] {
            let lines = shown(&bench, list, (width, 24));
            expect_fits(&lines, (width.into(), 24));
        }
        let wide = shown(&bench, list, (400, 24));
        assert!(wide.iter().all(|line| !line.contains('…')), "{wide:#?}");
    }
    let narrow = shown(&bench, &["jobs"], (60, 24)).join("\n");
    assert!(narrow.contains("sh -c 'echo") && narrow.contains('…'), "{narrow}");
}
