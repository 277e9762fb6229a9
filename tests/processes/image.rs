//! What a master starts when the file that it came from is no longer what it was.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use nix::sys::signal::Signal;

use crate::help::{end, guardian, signal, worker_pid};
use crate::support::{Bench, DEADLINE};

type Fate<'a> = (&'a str, &'a dyn Fn(&Path));

/// Puts a program in the place of another, as an installation does.
fn replace(file: &Path, by: &[u8]) {
    fs::remove_file(file).expect("it is there");
    fs::write(file, by).expect("written");
    fs::set_permissions(file, fs::Permissions::from_mode(0o755)).expect("ours");
}

#[test]
fn workers_and_guardians_come_from_the_image_that_runs_whatever_lies_at_its_path() {
    let other = fs::read("/bin/true").expect("a program");
    let fates: [Fate<'_>; 5] = [
        ("removed", &|file| fs::remove_file(file).expect("it is there")),
        ("replaced by another program", &|file| replace(file, &other)),
        ("replaced by a script", &|file| replace(file, b"#!/bin/sh\nexit 1\n")),
        ("replaced by garbage", &|file| replace(file, b"garbage")),
        ("moved with its folder", &|file| {
            let folder = file.parent().expect("a folder");
            fs::rename(folder, folder.with_extension("moved")).expect("moved");
        }),
    ];
    for (what, fate) in fates {
        let bench = Bench::new();
        fs::create_dir(bench.path().join("bin")).expect("a folder");
        let file = bench.path().join("bin/qw");
        fs::copy(bench.std_command().get_program(), &file).expect("copied");
        let master = bench.start_by_shell(&["--workers", "1"], "exec ./bin/qw \"$@\"");
        let worker = worker_pid(&bench, "default-1");
        let old = guardian(&bench);
        fate(&file);
        signal(worker, Signal::SIGKILL);
        signal(old.pid, Signal::SIGKILL);
        bench.ok(&["scale", "2"]);
        bench.wait_for(&format!("{what}: another worker"), DEADLINE, |b| worker_pid(b, "default-1") != worker);
        bench.wait_for(&format!("{what}: another guardian"), DEADLINE, |b| guardian(b) != old);
        let id = bench.push(&["--", "echo", what]);
        assert_eq!(bench.wait_for_job(id, "succeeded")["result"], format!("{what}\n"));
        let short = |pid: i32| fs::read_to_string(format!("/proc/{pid}/comm")).expect("it is there");
        for pid in [worker_pid(&bench, "default-1"), guardian(&bench).pid] {
            bench.wait_for("its name", DEADLINE, |_| short(pid) == "queue-work\n");
        }
        end(&bench, master);
    }
}
