//! Who has the database open: nobody but the master, and in it nobody but SQLite, whose locks would go with any other
//! handle that is closed on the same file.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::fcntl::OFlag;

use crate::support::{Bench, DEADLINE, fixture};

/// What a process has open: the file, and how it was opened.
fn open_files(pid: i32) -> Vec<(PathBuf, OFlag)> {
    let Ok(folder) = fs::read_dir(format!("/proc/{pid}/fd")) else { return Vec::new() };
    let entries = folder.flatten().filter_map(|entry| {
        let about = fs::read_to_string(format!("/proc/{pid}/fdinfo/{}", entry.file_name().to_str()?)).ok()?;
        let flags = about.lines().find_map(|line| line.strip_prefix("flags:"))?;
        let flags = i32::from_str_radix(flags.trim(), 8).ok()?;
        Some((fs::read_link(entry.path()).ok()?, OFlag::from_bits_retain(flags)))
    });
    entries.collect()
}

fn is_of(path: &Path, bench: &Bench, ending: &str) -> bool {
    let mut whole = bench.database().as_os_str().to_owned();
    whole.push(ending);
    path == Path::new(&whole)
}

#[test]
fn nothing_that_a_master_starts_has_its_database_lock_or_socket_open() {
    let bench = Bench::new();
    let worker = fixture("journal.py");
    let config = format!(
        "[pools.commands]\nqueues = [\"default\"]\nworkers = 2\n\
         [pools.program]\nworkers = 2\nenv = {{ JOURNAL = \"journal\" }}\ncommand = {}\n",
        serde_json::json!(worker)
    );
    fs::write(bench.path().join("queue-work.toml"), config).expect("a configuration");
    let master = bench.start(&[]);
    for _ in 0..2 {
        bench.push(&["--", "sleep", "1000"]);
        bench.push(&["--queue", "program", "t", "{\"gate\": \"never\"}"]);
    }
    bench.wait_for("all to be busy", DEADLINE, |b| {
        b.status()["workers"].as_array().is_some_and(|all| all.len() == 4 && all.iter().all(|w| w["state"] == "busy"))
            && b.leftovers().iter().filter(|left| left.command == "sleep 1000").count() == 2
    });
    let others: Vec<_> = bench.leftovers().into_iter().filter(|left| left.pid != master.pid()).collect();
    assert!(others.len() >= 7, "a guardian, four workers, two commands: {others:#?}");
    for other in &others {
        let open = open_files(other.pid);
        let ours: Vec<_> = open.iter().filter(|(path, _)| path.starts_with(bench.path())).collect();
        // What a worker opens itself is its own.
        let ours: Vec<_> = ours.into_iter().filter(|(path, _)| !path.ends_with("journal")).collect();
        assert!(ours.is_empty(), "{other:?} has open: {ours:?}");
    }
    // SQLite follows no links; nothing else of ours asks for that.
    let open = open_files(master.pid());
    let handles: Vec<_> =
        open.iter().filter(|(path, _)| is_of(path, &bench, "") || is_of(path, &bench, "-shm")).collect();
    assert!(handles.len() >= 2, "{open:?}");
    assert!(handles.iter().all(|(_, flags)| flags.contains(OFlag::O_NOFOLLOW)), "{handles:?}");
}

#[test]
fn in_the_whole_life_of_a_master_only_sqlite_opens_the_database() {
    let bench = Bench::new();
    let strace = |args: &[&str]| {
        let mut command = Command::new("strace");
        let own = bench.command(&[]);
        command.args(args).current_dir(bench.path());
        for (name, value) in own.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command
    };
    if !strace(&["-qq", "-o", "/dev/null", "true"]).status().is_ok_and(|status| status.success()) {
        println!("skipped: there is no strace, or it may not trace");
        return;
    }
    bench.verb(&["push", "--lines", "--", "echo", "{}"]).stdin("1\n2\n3\n4\n5\n6\n7\n8\n").run().expect_code(0);
    let program = bench.command(&[]).get_program().to_str().expect("UTF-8").to_owned();
    let opens = "trace=open,openat,openat2,creat";
    let args = ["-ff", "-qq", "-o", "opens", "-e", opens, &program, "--workers", "2", "--drain"];
    let status = strace(&args).status().expect("started");
    assert_eq!(status.code(), Some(0));
    // A file for each thread.
    let traces = fs::read_dir(bench.path()).expect("a folder").flatten();
    let traces = traces.filter(|entry| entry.file_name().to_string_lossy().starts_with("opens."));
    let text: String = traces.map(|entry| fs::read_to_string(entry.path()).expect("a trace")).collect();
    let names = ["", "-shm"].map(|ending| format!("\"{}{ending}\"", bench.database().display()));
    let opens: Vec<&str> = text.lines().filter(|line| names.iter().any(|name| line.contains(name))).collect();
    assert!(opens.len() >= 2, "{text}");
    // One that is to make the file fails on one that is there, and leaves no handle.
    let others: Vec<_> = opens.iter().filter(|l| !l.contains("O_NOFOLLOW") && !l.contains("EEXIST")).collect();
    assert!(others.is_empty(), "{others:#?}");
}
