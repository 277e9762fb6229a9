//! Files that others have put there or may write to, and root on the store of a user.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;
use std::process::Output;

use super::support::Bench;

/// A user and group that own nothing else.
const OTHER: u32 = 64125;

/// A bench in whose folder each user can find its way, if this is run by root.
fn bench() -> Option<Bench> {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: only root can act as another user");
        return None;
    }
    let bench = Bench::with_database("store/q.db");
    mode(bench.path(), 0o755);
    // The binary may lie where nobody else can reach it.
    // By a process of its own: a child of another thread must not have it open to be written to.
    let mut copy = std::process::Command::new("cp");
    copy.arg(env!("CARGO_BIN_EXE_queue-work")).arg(bench.path().join("qw"));
    assert!(copy.status().expect("cp").success());
    Some(bench)
}

fn folder(bench: &Bench) -> &Path {
    bench.database().parent().expect("a folder")
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("it is ours");
}

fn give(path: &Path) {
    chown(path, Some(OTHER), Some(OTHER)).expect("we are root");
}

/// Runs the binary as the other user.
fn as_other(bench: &Bench, args: &[&str]) -> Output {
    let ids = [format!("--reuid={OTHER}"), format!("--regid={OTHER}")];
    let mut program = vec!["setpriv".to_owned()];
    program.extend(ids);
    program.extend(["--clear-groups", "sh", "-c", "shift && exec ./qw \"$@\"", "sh"].map(str::to_owned));
    // The shell leaves out the binary's own path, which others may not reach.
    bench.command_as(&program, args).output().expect("setpriv")
}

#[track_caller]
fn ok(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn root_on_the_store_of_a_user_leaves_that_user_able_to_do_everything() {
    let Some(bench) = bench() else { return };
    give(folder(&bench));
    // Root is first: what it makes belongs to the user whose folder it is.
    bench.push(&["--", "sh", "-c", "echo by-root >&2"]);
    let drained = bench.run(&["--workers", "1", "--drain"]).expect_code(0);
    assert!(drained.stderr.contains(&format!("belongs to `{OTHER}`")), "{}", drained.stderr);
    for name in fs::read_dir(folder(&bench))
        .expect("a folder")
        .chain(fs::read_dir(folder(&bench).join("q.db.logs")).expect("logs"))
    {
        let path = name.expect("an entry").path();
        assert_eq!(path.metadata().expect("a file").uid(), OTHER, "{}", path.display());
    }
    ok(&as_other(&bench, &["push", "--", "sh", "-c", "echo by-user >&2"]));
    ok(&as_other(&bench, &["--workers", "1", "--drain"]));
    let logs = ok(&as_other(&bench, &["logs"]));
    assert!(logs.contains("by-root") && logs.contains("by-user"), "{logs}");
    for words in [&["status"][..], &["jobs", "list", "--oldest"], &["runs"], &["workers"], &["logs"]] {
        let code = bench.run(words).code;
        assert!(code == 0 || words == ["status"] && code == 3, "{words:?}");
    }
    ok(&as_other(&bench, &["--workers", "1", "--drain"]));
}

#[test]
fn what_root_has_left_behind_before_is_given_back() {
    let Some(bench) = bench() else { return };
    give(folder(&bench));
    ok(&as_other(&bench, &["push", "--", "true"]));
    // As earlier versions left it.
    fs::write(folder(&bench).join("q.db.lock"), "").expect("written");
    mode(&folder(&bench).join("q.db.lock"), 0o600);
    bench.run(&["--workers", "1", "--drain"]).expect_code(0);
    ok(&as_other(&bench, &["--workers", "1", "--drain"]));
}

#[test]
fn a_database_in_a_folder_where_others_write_is_refused_unless_that_is_allowed() {
    let Some(bench) = bench() else { return };
    for (folder_mode, allowed) in [(0o777, false), (0o1777, true), (0o755, true)] {
        mode(folder(&bench), folder_mode);
        for words in [&["push", "--", "true"][..], &["--workers=1", "--drain"]] {
            let run = bench.run(words);
            assert_eq!(run.code, if allowed { 0 } else { 5 }, "{folder_mode:o}: {run:?}");
            assert!(allowed || run.stderr.contains("--allow-shared-folder"), "{}", run.stderr);
            assert!(allowed || !folder(&bench).join("q.db.lock").exists());
        }
        assert_eq!(bench.run(&["logs"]).code, 0, "to read is harmless");
    }
    mode(folder(&bench), 0o777);
    bench.ok(&["push", "--allow-shared-folder", "--", "true"]);
    bench.verb(&["--workers=1", "--drain"]).env("QUEUE_WORK_ALLOW_SHARED_FOLDER", "1").run().expect_code(0);
    fs::write(bench.path().join("queue-work.toml"), "shared_folder = \"allow\"\n").expect("written");
    bench.push(&["--", "true"]);
}

#[test]
fn a_database_that_another_user_has_made_or_may_write_to_runs_no_command_of_ours() {
    let Some(bench) = bench() else { return };
    mode(folder(&bench), 0o1777);
    let owned = bench.path().join("owned");
    let job = ["push", "--", "sh", "-c", &format!("id >{}", owned.display())];
    ok(&as_other(&bench, &job));
    for words in [&["push", "t"][..], &["--workers=1", "--drain"]] {
        let run = bench.run(words).expect_code(5);
        assert!(run.stderr.contains(&format!("belongs to `{OTHER}`")), "{}", run.stderr);
    }
    assert!(!owned.exists());
    for name in ["q.db", "q.db-wal"] {
        let _ = fs::remove_file(folder(&bench).join("q.db"));
        mode(folder(&bench), 0o755);
        bench.push(&["t"]);
        let path = folder(&bench).join(name);
        fs::OpenOptions::new().append(true).create(true).open(&path).expect("a file");
        mode(&path, 0o666);
        let run = bench.run(&["--workers=1", "--drain"]).expect_code(5);
        assert!(run.stderr.contains("written to by everybody"), "{name}: {}", run.stderr);
        fs::remove_file(path).expect("it is there");
    }
}

#[test]
fn a_lock_or_a_log_that_is_a_link_or_somebody_elses_is_not_written_to() {
    let Some(bench) = bench() else { return };
    let precious = bench.path().join("precious");
    let lock = folder(&bench).join("q.db.lock");
    let logs = folder(&bench).join("q.db.logs");
    let untouched = || assert_eq!(fs::read_to_string(&precious).expect("a file"), "precious\n");
    fs::write(&precious, "precious\n").expect("written");
    bench.push(&["--", "sh", "-c", "echo injected >&2"]);
    let plant: [&dyn Fn(&Path); 4] = [
        &|path| symlink(&precious, path).expect("a link"),
        &|path| fs::hard_link(&precious, path).expect("a name"),
        &|path| nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRWXU).expect("a pipe"),
        &|path| {
            fs::write(path, "").expect("written");
            give(path);
        },
    ];
    for (n, plant) in plant.iter().enumerate() {
        let _ = fs::remove_file(&lock);
        plant(&lock);
        let run = bench.run(&["--workers=1", "--drain"]);
        // A file of somebody else cannot be there unless the folder is his: root takes such a store as it is.
        assert_eq!(run.code, 1, "{n}: {run:?}");
        assert!(run.stderr.contains("cannot lock"), "{n}: {}", run.stderr);
        untouched();
        fs::remove_file(&lock).expect("it is there");
        fs::create_dir_all(&logs).expect("a folder");
        plant(&logs.join("default-1.log"));
        let id = bench.push(&["--", "sh", "-c", "echo injected >&2"]);
        bench.run(&["--workers=1", "--drain"]).expect_code(0);
        assert_eq!(bench.job(id)["state"], "succeeded");
        untouched();
        fs::remove_dir_all(&logs).expect("a folder");
    }
    // The folder of the logs is another's.
    fs::create_dir(&logs).expect("a folder");
    give(&logs);
    bench.push(&["--", "sh", "-c", "echo injected >&2"]);
    bench.run(&["--workers=1", "--drain"]).expect_code(0);
    assert_eq!(fs::read_dir(&logs).expect("a folder").count(), 0);
}

#[test]
fn a_configuration_of_another_user_is_used_only_where_it_is_named() {
    let Some(bench) = bench() else { return };
    let config = bench.path().join("queue-work.toml");
    fs::write(&config, "[defaults]\nworkers = 3\n").expect("written");
    give(&config);
    for words in [&["config", "check"][..], &["push", "t"], &["status"], &["--workers=1", "--drain"]] {
        let run = bench.run(words).expect_code(2);
        assert!(run.stderr.contains(&format!("belongs to `{OTHER}`")), "{}", run.stderr);
        assert!(run.stderr.contains("--config"), "{}", run.stderr);
    }
    bench.ok(&["config", "check", "--config", "queue-work.toml"]);
    // Who became root by `sudo` brings his own files along.
    bench.verb(&["config", "check"]).env("SUDO_UID", OTHER.to_string()).run().expect_code(0);
    chown(&config, Some(0), Some(0)).expect("we are root");
    mode(&config, 0o666);
    assert!(bench.run(&["config", "check"]).expect_code(2).stderr.contains("written to by everybody"));
    mode(&config, 0o664);
    bench.ok(&["config", "check"]);
}

#[test]
fn a_configuration_that_another_user_has_put_above_runs_nothing_of_ours() {
    let Some(bench) = bench() else { return };
    mode(bench.path(), 0o1777);
    let below = bench.path().join("below");
    fs::create_dir(&below).expect("a folder");
    let (file, ours) = (bench.path().join("queue-work.toml"), below.join("ours.toml"));
    fs::write(&ours, "[pools.default]\ncommand = [\"./w\"]\n").expect("written");
    let put: [(&dyn Fn(), &str); 3] = [
        (&|| drop(fs::write(&file, "").map(|()| give(&file))), "it belongs to"),
        (
            &|| {
                let link = symlink(&ours, &file);
                link.and_then(|()| std::os::unix::fs::lchown(&file, Some(OTHER), None)).expect("a link");
            },
            "it is a link of",
        ),
        (&|| fs::hard_link(&ours, &file).expect("a name"), "it has several names"),
    ];
    for (put, why) in put {
        put();
        for words in [&["push", "t"][..], &["status"], &["--drain"]] {
            let out = bench.command(words).current_dir(&below).output().expect("it runs");
            let said = String::from_utf8_lossy(&out.stderr).into_owned();
            assert!(out.status.code() == Some(2) && said.contains(why), "{said}");
            assert!(said.contains("use none: `--config /dev/null`"), "{said}");
        }
        let out = bench.command(&["push", "--config", "/dev/null", "t"]).current_dir(&below).output().expect("it runs");
        assert!(out.status.success(), "{out:?}");
        fs::remove_file(&file).expect("it is there");
    }
}

#[test]
fn root_that_may_not_give_files_away_works_on_the_store_of_a_user_all_the_same() {
    let Some(bench) = bench() else { return };
    give(folder(&bench));
    let program = ["setpriv", "--inh-caps=-chown", "--bounding-set=-chown"].map(str::to_owned);
    let output = bench.command_as(&program, &["push", "t"]).output().expect("setpriv");
    ok(&output);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("stays root's"), "{said}");
}
