//! Keys of a pool for programs that are no workers of ours: the signal to leave, a umask, another user, `instances`.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};

use nix::unistd::{Uid, User};
use serde_json::json;

use crate::help::{end, wait_ready, wait_worker};
use crate::support::{Bench, DEADLINE};

/// A pool `job` of one opaque worker, which runs this script of the shell, with these further lines.
fn write(bench: &Bench, script: &str, more: &str) {
    let command = json!(["sh", "-c", script]);
    let text = format!("[pools.job]\nkind = \"opaque\"\ncommand = {command}\n{more}\n");
    fs::write(bench.path().join("queue-work.toml"), text).expect("a configuration");
}

fn read(bench: &Bench, name: &str) -> String {
    fs::read_to_string(bench.path().join(name)).unwrap_or_default()
}

#[test]
fn a_worker_is_asked_to_leave_by_the_signal_of_its_pool_and_killed_when_it_does_not() {
    for signal in ["INT", "SIGQUIT", "hup", "USR1", "usr2", "TERM"] {
        let bench = Bench::new();
        let name = signal.to_uppercase();
        let name = name.strip_prefix("SIG").unwrap_or(&name);
        let script = format!("trap 'echo {name} > heard; exit 0' {name}; echo > ready; while :; do sleep 0.05; done");
        write(&bench, &script, &format!("workers = 1\nstop_signal = \"{signal}\""));
        let master = bench.start(&[]);
        bench.wait_for("the worker to listen", DEADLINE, |b| b.path().join("ready").exists());
        bench.ok(&["scale", "0", "--pool", "job"]);
        assert_eq!(read(&bench, "heard"), format!("{name}\n"));
        end(&bench, master);
    }
    let bench = Bench::new();
    let script = "trap '' USR1; echo > ready; while :; do sleep 0.05; done";
    write(&bench, script, "workers = 1\nstop_signal = \"USR1\"\ngrace = \"100ms\"\nkill_after = \"100ms\"");
    let master = bench.start(&[]);
    bench.wait_for("the worker to listen", DEADLINE, |b| b.path().join("ready").exists());
    bench.ok(&["scale", "0", "--pool", "job"]);
    end(&bench, master);
}

#[test]
fn a_umask_is_that_of_the_workers_and_of_nobody_else() {
    let bench = Bench::new();
    let script = "echo > made.new; mv made.new made; exec sleep 1000";
    write(&bench, script, "instances = 1\numask = \"027\"");
    let master = bench.start(&[]);
    let mode = |name: &str| bench.path().join(name).metadata().map_or(0, |found| found.permissions().mode() & 0o777);
    bench.wait_for("a file", DEADLINE, |_| mode("made") != 0);
    assert_eq!(mode("made"), 0o640);
    wait_ready(&bench, 1);
    write(&bench, script, "instances = 2\numask = \"077\"");
    fs::remove_file(bench.path().join("made")).expect("a file");
    bench.ok(&["reload"]);
    bench.wait_for("a file", DEADLINE, |_| mode("made") != 0);
    assert_eq!(mode("made"), 0o600);
    wait_ready(&bench, 2);
    end(&bench, master);
}

#[test]
fn workers_of_root_run_as_the_user_of_their_pool_with_its_groups_and_home_and_others_are_refused_one() {
    let bench = Bench::new();
    let script = "(id -u; id -g; id -G; echo $HOME $USER $LOGNAME) > who.new; mv who.new who; exec sleep 1000";
    write(&bench, script, "workers = 1\nuser = \"nobody\"\ncwd = \"nobodys\"");
    let folder = bench.path().join("nobodys");
    fs::create_dir(&folder).expect("a folder");
    if !Uid::effective().is_root() {
        for verb in [&["config", "check"][..], &[]] {
            let refused = bench.run(verb).expect_code(2);
            assert!(refused.stderr.contains("only a master of root can start workers as `nobody`"), "{refused:?}");
        }
        return;
    }
    let nobody = User::from_name("nobody").expect("users can be looked up").expect("every system has it");
    chown(&folder, Some(nobody.uid.as_raw()), None).expect("root may");
    fs::set_permissions(bench.path(), fs::Permissions::from_mode(0o755)).expect("it is ours");
    let master = bench.start(&[]);
    let who = || fs::read_to_string(folder.join("who")).unwrap_or_default();
    bench.wait_for("the worker to say who it is", DEADLINE, |_| !who().is_empty());
    let (uid, gid, home) = (nobody.uid, nobody.gid, nobody.dir.display());
    assert_eq!(who(), format!("{uid}\n{gid}\n{gid}\n{home} nobody nobody\n"));
    let owner = folder.join("who").metadata().expect("a file").uid();
    assert_eq!(owner, nobody.uid.as_raw());
    end(&bench, master);

    // The built-in worker, and a group of its own.
    let text = "[pools.default]\nworkers = 1\nuser = \"nobody:0\"\n";
    fs::write(bench.path().join("queue-work.toml"), text).expect("a configuration");
    let master = bench.start(&[]);
    let said = bench.ok(&["push", "--wait", "--", "sh", "-c", "echo $(id -u):$(id -g) $USER"]);
    assert_eq!(said, format!("{uid}:0 nobody\n"));
    end(&bench, master);
}

#[test]
fn a_program_that_its_user_may_not_run_is_a_problem_of_its_pool() {
    if !Uid::effective().is_root() {
        return;
    }
    let bench = Bench::new();
    let program = bench.path().join("secret");
    fs::write(&program, "#!/bin/sh\nexec sleep 1000\n").expect("a script");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).expect("it is ours");
    let text = "[pools.job]\nkind = \"opaque\"\ncommand = [\"./secret\"]\nworkers = 1\nuser = \"nobody\"\n";
    fs::write(bench.path().join("queue-work.toml"), text).expect("a configuration");
    let master = bench.start(&[]);
    wait_worker(&bench, "job-1", "backoff");
    bench.wait_for("the reason", DEADLINE, |b| {
        b.status()["pools"][0]["problem"].as_str().is_some_and(|problem| problem.contains("secret"))
    });
    end(&bench, master);
}

#[test]
fn values_that_make_no_sense_are_refused() {
    let bench = Bench::new();
    let table = [
        ("stop_signal = \"KILL\"", "there is no stop signal `KILL`; use one of TERM, INT, QUIT, HUP, USR1, USR2"),
        ("umask = \"999\"", "`999` is no umask; write \"022\" or \"077\""),
        ("umask = 22", "`umask` is 22; it must be a text in quotes"),
        ("user = \"\"", "\"\" is no user; write \"www-data\" or \"www-data:www-data\""),
        ("user = \"a:b:c\"", "is no user"),
        ("instances = 2\nworkers = 2", "`instances` is another name of `workers`; leave one of them out"),
        ("instances = -1", "`instances` is -1; the least is 0"),
    ];
    for (line, said) in table {
        write(&bench, "exit 0", line);
        let refused = bench.run(&["config", "check"]).expect_code(2);
        assert!(refused.stderr.contains(said), "{line}: {refused:?}");
    }
    let text = "[pools.default]\nstop_signal = \"HUP\"\n";
    fs::write(bench.path().join("queue-work.toml"), text).expect("a configuration");
    let refused = bench.run(&["config", "check"]).expect_code(2);
    assert!(refused.stderr.contains("`stop_signal` is for workers with a program of their own"), "{refused:?}");
    if Uid::effective().is_root() {
        write(&bench, "exit 0", "user = \"no-such-user\"");
        for verb in [&["config", "check"][..], &[]] {
            let refused = bench.run(verb).expect_code(2);
            assert!(refused.stderr.contains("`pools.job.user`: there is no user `no-such-user`"), "{refused:?}");
        }
    }
}
