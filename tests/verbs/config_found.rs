//! The configuration file that nobody named: found above, in `/etc`, and never passed over.

use std::fs;
use std::path::Path;

use super::support::{Bench, Run};

/// Runs a verb below the bench with the database that the file says.
fn run_in(bench: &Bench, folder: &str, home: &Path, args: &[&str]) -> Run {
    let folder = bench.path().join(folder);
    fs::create_dir_all(&folder).expect("a folder");
    let mut command = bench.command(args);
    command.current_dir(folder).env_remove("QUEUE_WORK_DATABASE").env("HOME", home);
    let out = command.output().expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Run { stdout: text(&out.stdout), stderr: text(&out.stderr), code: out.status.code().unwrap_or(-1) }
}

#[test]
fn a_push_from_a_folder_below_goes_where_one_beside_the_file_goes() {
    let bench = Bench::new();
    fs::write(bench.path().join("queue-work.toml"), "database = \"q.db\"\n").expect("written");
    for (folder, id) in [(".", "1\n"), ("src", "2\n"), ("src/deep/er", "3\n")] {
        assert_eq!(run_in(&bench, folder, bench.path(), &["push", "t"]).expect_code(0).stdout, id, "{folder}");
    }
    let shown = run_in(&bench, "src", bench.path(), &["config", "check"]).expect_code(0).stdout;
    let file = bench.path().join("queue-work.toml").display().to_string();
    assert!(shown.starts_with(&format!("`{file}` is valid")), "{shown}");
    let rows = run_in(&bench, "src", bench.path(), &["config", "show", "--json"]).json();
    assert_eq!(rows[0], serde_json::json!({"key": "config", "value": file, "origin": "found above"}));
    // Above the home folder there is none of ours.
    let home = bench.path().join("src");
    run_in(&bench, "src/deep", &home, &["push", "t"]).expect_code(0);
    assert!(home.join(".local/state/queue-work/queue-work.db").exists());
}

#[test]
fn a_file_that_is_wrong_anywhere_is_refused_by_every_verb_with_all_that_is_wrong() {
    let bench = Bench::new();
    fs::write(bench.path().join("queue-work.toml"), "databse = \"q.db\"\n[pools.a]\nmemory = \"1K\"\n")
        .expect("written");
    let verbs: [&[&str]; 21] = [
        &["push", "t"],
        &["push", "--", "true"],
        &["push", "--lines", "t"],
        &["status"],
        &["jobs", "list", "--oldest"],
        &["jobs", "show", "1"],
        &["jobs", "retry", "1"],
        &["jobs", "wait", "1"],
        &["runs"],
        &["workers"],
        &["logs"],
        &["pause", "default"],
        &["resume", "default"],
        &["scale", "1"],
        &["restart", "--all"],
        &["reload"],
        &["spawn", "--queue", "q", "--workers", "1"],
        &["stop"],
        &["config", "show"],
        &["config", "check"],
        &["--drain"],
    ];
    for words in verbs {
        let run = run_in(&bench, "below", bench.path(), words).expect_code(2);
        assert!(run.stdout.is_empty() && run.stderr.lines().count() >= 2, "{words:?}: {run:?}");
        assert!(run.stderr.contains("queue-work.toml:1:1: unknown key `databse`"), "{words:?}: {}", run.stderr);
        assert!(run.stderr.contains("queue-work.toml:3:10: `memory` is 1K"), "{words:?}: {}", run.stderr);
    }
    for words in [&["help"][..], &["push", "--help"], &["completions", "bash"], &["man"], &["config", "init", "-"]] {
        run_in(&bench, "below", bench.path(), words).expect_code(0);
    }
    assert!(!bench.path().join(".local").exists(), "a job went elsewhere");
    // The way out that is always there.
    run_in(&bench, "below", bench.path(), &["--config", "/dev/null", "push", "t"]).expect_code(0);
}

#[test]
fn the_folder_of_a_database_beside_the_file_is_made_and_one_elsewhere_is_named_with_the_next_step() {
    let bench = Bench::new();
    let below = |path: &str| bench.path().join(path);
    let elsewhere = below("other/folder");
    fs::write(below("queue-work.toml"), format!("database = \"{}/q.db\"\n", elsewhere.display())).expect("written");
    let home = below("home");
    fs::create_dir_all(below("app/config")).expect("a folder");
    for (file, made) in [("app/queue-work.toml", "app/var/lib"), ("app/config/queue-work.toml", "app/data")] {
        let path = if made.ends_with("data") { "../data/q.db" } else { "var/lib/q.db" };
        fs::write(below(file), format!("database = \"{path}\"\n")).expect("written");
        run_in(&bench, "app", &home, &["config", "check"]).expect_code(0);
        run_in(&bench, "app", &home, &["push", "t"]).expect_code(0);
        let mode = std::os::unix::fs::MetadataExt::mode(&below(made).metadata().expect("it was made"));
        assert_eq!(mode & 0o777, 0o700);
        fs::remove_file(below(file)).expect("it is there");
    }
    let file = below("app/else.toml");
    fs::write(&file, format!("database = \"{}/q.db\"\n", elsewhere.display())).expect("written");
    let config = ["--config", file.to_str().expect("UTF-8")];
    let check = run_in(&bench, "app", &home, &[&config[..], &["config", "check"]].concat()).expect_code(0);
    let next = format!("mkdir -p '{}'", elsewhere.display());
    assert!(check.stderr.contains("else.toml:1:1: the folder") && check.stderr.contains(&next), "{}", check.stderr);
    let push = run_in(&bench, "app", &home, &[&config[..], &["push", "t"]].concat()).expect_code(1);
    assert!(push.stderr.contains(&next), "{}", push.stderr);
    fs::create_dir_all(&elsewhere).expect("a folder");
    run_in(&bench, "app", &home, &[&config[..], &["push", "t"]].concat()).expect_code(0);
}

#[test]
fn a_mistake_in_a_variable_is_named_by_the_variable_and_one_that_was_typed_is_not() {
    let bench = Bench::new();
    for (words, name, value, said) in [
        (&["jobs", "show"][..], "QUEUE_WORK_QUIET", "1", "`jobs show` needs `ID`, as in `queue-work jobs show 31`"),
        (&["push", "--priority", "x", "t"], "QUEUE_WORK_PUSH_QUEUE", "q", "`--priority`: it is \"x\""),
        (&["push", "t"], "QUEUE_WORK_PUSH_PRIORITY", "x", "`QUEUE_WORK_PUSH_PRIORITY`: it is \"x\""),
        (&["status"], "QUEUE_WORK_LOG_FORMAT", "xml", "`QUEUE_WORK_LOG_FORMAT`: `xml` is none of `text` and `json`"),
        (&["start"], "QUEUE_WORK_WORKERS", "0", "`QUEUE_WORK_WORKERS`: it is 0; the least is 1"),
    ] {
        let run = bench.verb(words).env(name, value).run().expect_code(2);
        assert!(run.stderr.starts_with(&format!("queue-work: {said}")), "{}", run.stderr);
        assert!(!run.stderr.contains("--database") && !run.stderr.contains("--quiet"), "{}", run.stderr);
    }
}

#[test]
fn a_link_to_a_file_that_is_gone_is_refused_too() {
    let bench = Bench::new();
    std::os::unix::fs::symlink("gone.toml", bench.path().join("queue-work.toml")).expect("a link");
    let run = bench.run(&["push", "t"]).expect_code(2);
    assert!(run.stderr.contains("queue-work.toml: the configuration cannot be read: No such file"), "{}", run.stderr);
}

/// Replaces `/etc` by one with our file, and has `other` on a file system of its own; `cd`s there.
const MOUNTS: &str = "mkdir -p etc/queue-work fs/below && cp /etc/passwd /etc/group etc/ && cp system.toml \
    etc/queue-work/queue-work.toml && mount --bind etc /etc && mount -t tmpfs none fs && mkdir fs/below && cd fs/below || exit 77; \
    exec \"$0\" \"$@\"";

#[test]
fn the_file_of_the_system_is_read_where_none_is_above_and_a_border_of_file_systems_ends_the_search() {
    let bench = Bench::new();
    fs::write(bench.path().join("queue-work.toml"), "log_files = 2\n").expect("written");
    fs::write(bench.path().join("system.toml"), "log_files = 3\n").expect("written");
    let program = ["unshare", "-m", "sh", "-c", MOUNTS].map(str::to_owned);
    let shown = |env: &[(&str, &str)]| {
        let mut command = bench.command_as(&program, &["config", "show"]);
        command.env("HOME", "/nowhere").envs(env.iter().copied()).output().expect("it runs")
    };
    let out = shown(&[]);
    if !nix::unistd::geteuid().is_root() || out.status.code() == Some(77) {
        println!("skipped: nothing can be mounted here");
        return;
    }
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(text.contains("file /etc/queue-work/queue-work.toml:1"), "{text} {out:?}");
    let named = bench.path().join("queue-work.toml");
    let text = shown(&[("QUEUE_WORK_CONFIG", named.to_str().expect("UTF-8"))]).stdout;
    assert!(String::from_utf8_lossy(&text).contains(&format!("file {}:1", named.display())));
}
