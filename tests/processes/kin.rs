//! What belongs to a run by the kernel's word, though it has shed every sign of it: by its control group, and by its
//! parents alone. Users are switched by what sets up a session (PAM): that clears the environment and sets the limits.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use nix::sys::signal::Signal;
use serde_json::json;

use crate::help::{Process, can, end, guardian, noted, refs, signal, wait_dead, wait_noted, worker_pid};
use crate::support::{Bench, DEADLINE, Master, fixture};

/// Ways to become another user, to be followed by a script of the shell.
const WAYS: [&[&str]; 5] = [
    &["su", "nobody", "-s", "/bin/sh", "-c"],
    &["su", "-", "nobody", "-s", "/bin/sh", "-c"],
    &["runuser", "-l", "nobody", "-s", "/bin/sh", "-c"],
    &["sudo", "-u", "nobody", "sh", "-c"],
    &["setpriv", "--reuid=65534", "--clear-groups", "--reset-env", "prlimit", "--rttime=unlimited:", "sh", "-c"],
];
/// Becomes its arguments where no control group is to be seen.
const WITHOUT_GROUPS: &str = "for at in $(awk '/ - cgroup2 /{print $5}' /proc/self/mountinfo); do umount -l $at; done; \
                              exec \"$0\" \"$@\"";

/// What holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Net {
    Group,
    Tree,
}

/// A bench with a file for everybody, where users may be switched; `None` where they may not.
pub(crate) fn bench() -> Option<Bench> {
    let bench = Bench::new();
    let pids = bench.path().join("pids");
    fs::write(&pids, "").expect("written");
    for (path, mode) in [(bench.path(), 0o755), (&pids, 0o666)] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("ours");
    }
    let script = format!("test -w {}", pids.display());
    if !can("another user", WAYS[0][0], &[&WAYS[0][1..], &[&script]].concat()) {
        return None;
    }
    Some(bench)
}

/// Starts a master that has this net; `None`, with a word, where it cannot be had.
fn start<'a>(bench: &'a Bench, net: Net, args: &[&str]) -> Option<Master<'a>> {
    let master = match net {
        Net::Group => bench.start(args),
        Net::Tree => {
            if !can("a file system of our own", "unshare", &["-m", "true"]) {
                return None;
            }
            bench.start_as(&["unshare", "-m", "sh", "-c", WITHOUT_GROUPS].map(str::to_owned), args)
        }
    };
    let containment = bench.status()["master"]["containment"].clone();
    if (net == Net::Tree) == (containment == "tree") {
        return Some(master);
    }
    println!("skipped: {net:?}: no control group can be made here");
    end(bench, master);
    None
}

/// The ways that work here.
fn ways() -> impl Iterator<Item = &'static [&'static str]> {
    WAYS.into_iter().filter(|way| can("a way to another user", way[0], &[&way[1..], &["true"]].concat()))
}

/// Pushes a job that becomes another user, notes its number and stays; returns it when it runs.
fn push_away(bench: &Bench, way: &[&str]) -> Process {
    let script = format!("echo $$ >> {}; exec sleep 1000", bench.path().join("pids").display());
    bench.push(&[&["--"], way, &[&script]].concat());
    let found = wait_noted(bench, &bench.path().join("pids"), 1);
    let process = found[0].clone();
    // It is this test's from here on.
    std::mem::forget(found);
    let shed = |name: &str, sign: &str| {
        let text = fs::read(format!("/proc/{}/{name}", process.pid)).unwrap_or_default();
        !String::from_utf8_lossy(&text).lines().any(|line| line.contains(sign) && !line.contains("unlimited"))
    };
    // `su` without `-` leaves the environment as it is.
    assert!(way[..2] == WAYS[0][..2] || shed("environ", "QUEUE_WORK_INSTANCE"), "{way:?} has not shed its environment");
    bench.wait_for("the mark to be shed", DEADLINE, |_| shed("limits", "Max realtime timeout"));
    process
}

/// Kills them as one: none can do anything about the death of the others.
fn kill_together(bench: &Bench, master: &mut Master<'_>) {
    let all = [guardian(bench).pid, worker_pid(bench, "default-1")];
    for pid in all.into_iter().chain([master.pid()]) {
        signal(pid, Signal::SIGSTOP);
    }
    for pid in all {
        signal(pid, Signal::SIGKILL);
    }
    master.kill9();
}

#[test]
fn a_job_that_becomes_another_user_never_runs_beside_its_next_attempt_and_does_not_outlive_its_master() {
    for net in [Net::Group, Net::Tree] {
        for way in ways() {
            let Some(bench) = bench() else { return };
            let Some(mut master) = start(&bench, net, &["--workers", "1"]) else { break };
            let first = push_away(&bench, way);
            signal(worker_pid(&bench, "default-1"), Signal::SIGKILL);
            let second = wait_noted(&bench, &bench.path().join("pids"), 2);
            assert!(!first.is_alive(), "{net:?}, {way:?}: two runs at once\n{}", bench.dump());
            assert_eq!(second.len(), 1, "{net:?}, {way:?}");
            master.kill9();
            wait_dead(&bench, &second);
            // The next master begins with what the last one held.
            let Some(next) = start(&bench, net, &["--workers", "1", "--grace", "100ms"]) else { break };
            let third = wait_noted(&bench, &bench.path().join("pids"), 3);
            assert_eq!(third.len(), 1, "{net:?}, {way:?}");
            end(&bench, next);
            assert!(!third[0].is_alive(), "{net:?}, {way:?}: it outlives a master that was stopped");
        }
    }
}

#[test]
fn what_a_master_a_worker_and_a_guardian_killed_at_once_leave_in_a_control_group_ends_before_the_next_master_runs() {
    let Some(way) = ways().next() else { return };
    let Some(bench) = bench() else { return };
    let Some(mut master) = start(&bench, Net::Group, &["--workers", "1"]) else { return };
    let first = push_away(&bench, way);
    let groups = fs::read_to_string(format!("/proc/{}/cgroup", first.pid)).expect("it is there");
    let name = groups.split('/').find(|part| part.starts_with("queue-work.")).expect("a group");
    kill_together(&bench, &mut master);
    assert!(first.is_alive(), "the test needs a survivor");
    let next = bench.start(&["--workers", "1", "--queue", "other"]);
    assert!(!first.is_alive(), "{}", bench.dump());
    end(&bench, next);
    let left = Command::new("find").args(["/sys/fs/cgroup", "-name", name]).output().expect("found");
    assert_eq!(String::from_utf8_lossy(&left.stdout), "", "its folder is left");
}

#[test]
fn a_worker_that_could_not_join_a_control_group_is_named_while_it_lives_and_the_status_promises_no_more_than_holds() {
    let bench = Bench::new();
    let Some(master) = start(&bench, Net::Group, &["--workers", "1"]) else { return };
    let worker = worker_pid(&bench, "default-1");
    let name = || {
        let path = fs::read_to_string(format!("/proc/{worker}/cgroup")).unwrap_or_default();
        path.split('/').find(|part| part.starts_with("queue-work.")).map(str::to_owned)
    };
    // A worker joins its group by itself, after it was started.
    bench.wait_for("a worker in its group", DEADLINE, |_| name().is_some());
    let name = name().expect("a group");
    let found = Command::new("find").args(["/sys/fs/cgroup", "-name", &name]).output().expect("found");
    let group = PathBuf::from(String::from_utf8_lossy(&found.stdout).trim_end());
    let replace = |limit_is: &str, expected: &str| {
        // While it is empty, another master that starts may remove it.
        let _ = fs::create_dir(&group);
        fs::write(group.join("cgroup.max.descendants"), limit_is).expect("a limit");
        signal(worker_pid(&bench, "default-1"), Signal::SIGKILL);
        let id = bench.push(&["--", "true"]);
        bench.wait_for_job(id, "succeeded");
        bench.wait_for(expected, DEADLINE, |b| b.status()["master"]["containment"] == expected);
        bench.status()["master"]["problems"].to_string().contains("worker `default-1` is not in a control group")
    };
    assert!(replace("0", "tree"));
    let log = bench.command(&["logs", "default-1"]).output().expect("run").stdout;
    assert!(String::from_utf8_lossy(&log).contains("no control group of its own"), "{}", String::from_utf8_lossy(&log));
    assert!(!replace("max", "cgroup"));
    end(&bench, master);
}

#[test]
fn the_orphans_of_a_worker_that_lives_are_left_alone_when_another_worker_dies() {
    for net in [Net::Group, Net::Tree] {
        let bench = Bench::new();
        let shed = "setsid -f env -i prlimit --rttime=unlimited: sh -c 'echo $$ >> pids; exec sleep 1000' </dev/null >/dev/null 2>&1";
        let answer = "[ \"$QUEUE_WORK_SLOT\" = 1 ] && SHED; while read -r line; do \
                      while ! [ -s pids ]; do sleep 0.01; done; \
                      id=${line#*\\\"id\\\":}; printf '{\"id\":%s,\"result\":1}\\n' \"${id%%,*}\"; done"
            .replace("SHED", shed);
        let config = format!("[pools.default]\nworkers = 2\ncommand = {}\n", json!(["sh", "-c", answer]));
        fs::write(bench.path().join("queue-work.toml"), config).expect("written");
        let Some(master) = start(&bench, net, &[]) else { continue };
        let jobs = [bench.push(&["x"]), bench.push(&["x"])];
        for id in jobs {
            bench.wait_for_job(id, "succeeded");
        }
        let found = noted(&bench.path().join("pids"));
        assert!(found.len() == 1 && found[0].is_alive(), "{net:?}: {found:?}");
        // Without groups nobody knows whose it is: it was below its worker for a moment only.
        let (owner, other) = (worker_pid(&bench, "default-1"), worker_pid(&bench, "default-2"));
        if net == Net::Group {
            signal(other, Signal::SIGKILL);
            bench.wait_for("another worker", DEADLINE, |b| worker_pid(b, "default-2") != other);
            let id = bench.push(&["x"]);
            bench.wait_for_job(id, "succeeded");
            assert!(found[0].is_alive(), "{net:?}: what a living worker had started was killed");
        }
        signal(owner, Signal::SIGKILL);
        wait_dead(&bench, &found);
        end(&bench, master);
    }
}

#[test]
fn a_command_that_fails_ends_with_all_that_it_put_aside_before_it_is_tried_again() {
    let bench = Bench::new();
    let master = bench.start(&["--workers", "1", "--backoff", "10ms"]);
    let script = "for pid in $(cat pids 2>/dev/null); do kill -0 $pid 2>/dev/null && echo OVERLAP >> pids; done; \
                  setsid -f env -i sh -c 'echo $$ >> pids; exec sleep 1000' </dev/null >/dev/null 2>&1; \
                  while ! [ -s pids ]; do sleep 0.01; done; exit 3";
    let id = bench.push(&["--max-attempts", "3", "--", "sh", "-c", script]);
    bench.wait_for_job(id, "dead");
    assert_eq!(noted(&bench.path().join("pids")).len(), 0, "{}", bench.dump());
    end(&bench, master);
}

#[test]
fn what_the_daemon_of_a_job_that_succeeded_starts_later_outlives_a_job_that_fails() {
    let bench = Bench::new();
    let master = bench.start(&["--workers", "1", "--max-attempts", "1"]);
    // It starts another while the next job runs, and ends.
    let daemon = "echo > up; while ! [ -e runs ]; do sleep 0.01; done; \
                  setsid sh -c 'echo $$ >> pids; exec sleep 1000' & exit 0";
    // Before it has a session of its own it would end with the job.
    let first = "setsid sh -c \"$0\" </dev/null >/dev/null 2>&1 & while ! [ -e up ]; do sleep 0.01; done";
    let first = bench.push(&["--", "sh", "-c", first, daemon]);
    bench.wait_for_job(first, "succeeded");
    let script = "echo > runs; setsid -f sh -c 'echo $$ >> own; exec sleep 1000' </dev/null >/dev/null 2>&1; \
                  while ! [ -s pids ] || ! [ -s own ]; do sleep 0.01; done; exit 1";
    let second = bench.push(&["--", "sh", "-c", script]);
    bench.wait_for_job(second, "dead");
    let kept = noted(&bench.path().join("pids"));
    assert!(kept.len() == 1 && kept[0].is_alive(), "{}", bench.dump());
    assert_eq!(noted(&bench.path().join("own")).len(), 0, "what the failed command started lives");
    end(&bench, master);
    wait_dead(&bench, &kept);
}

#[test]
fn nothing_sheds_its_worker_and_what_comes_of_all_three_deaths_at_once_without_groups_holds_nothing() {
    let bench = Bench::new();
    let command = fixture("escapes.py");
    let Some(mut master) = start(&bench, Net::Tree, &["--workers", "1"]) else { return };
    let id = bench.push(&[["--"].as_slice(), &refs(&command)].concat());
    bench.wait_for_job(id, "succeeded");
    let first = noted(&bench.path().join("pids"));
    assert!(first.len() == 1 && first[0].is_alive());
    // The worker sees the end of its master, whoever else is dead.
    let guardian = guardian(&bench);
    for pid in [guardian.pid, master.pid()] {
        signal(pid, Signal::SIGSTOP);
    }
    signal(guardian.pid, Signal::SIGKILL);
    master.kill9();
    wait_dead(&bench, &first);
    let Some(mut master) = start(&bench, Net::Tree, &["--workers", "1"]) else { return };
    let id = bench.push(&[["--"].as_slice(), &refs(&command)].concat());
    bench.wait_for_job(id, "succeeded");
    kill_together(&bench, &mut master);
    let escaped = noted(&bench.path().join("pids"));
    let next = bench.start(&["--workers", "1"]);
    let id = bench.push(&["--", "true"]);
    bench.wait_for_job(id, "succeeded");
    assert!(escaped.len() == 1 && escaped[0].is_alive(), "{escaped:?}");
    end(&bench, next);
}
