//! A master over a store of several members, which an SQLite file is not: turn by turn, with a worker of its own.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use super::*;
use crate::clock::instant;
use crate::config::{Config, Flags, Inputs};
use crate::master::startup;
use crate::model::change::{Change, Op, Reply, Request};
use crate::model::{JobId, JobState, NewJob, QueueName, UnixMicros};
use crate::process::testing::{DEADLINE, in_own_process};
use crate::report::Printer;
use crate::report::events::Level;
use crate::store::memory::MemoryStore;
use crate::store::{self, Opened, Records, Store};

const AT: UnixMicros = UnixMicros(1_700_000_000_000_000);

/// A master that serves the queue `ours` with one worker, which answers nothing.
fn member(folder: &Path, members: &MemoryStore) -> Master {
    let limits = [("workers", "1"), ("kill_after", "0s")].map(|(key, value)| (key, value.to_owned())).into();
    let command = ["sh", "-c", "cat > /dev/null"].map(Into::into).into();
    let database = Some(folder.join("q.db"));
    let flags = Flags { database, queue: vec!["ours".to_owned()], command, limits, ..Flags::default() };
    let inputs = Inputs { flags, cwd: Some(folder.to_owned()), ..Inputs::default() };
    let loaded = inputs.load().expect("it is valid");
    let (store, records) = (Box::new(members.connect()), Box::new(members.connect()));
    let open = |config: &Config, pid, at| {
        let mut file = startup::open_store(config, pid, at)?;
        file.changes.give_up();
        Ok(Opened { store, records, ..file })
    };
    let mut master =
        startup::start((inputs, loaded), Printer::new(0, true, false, false), Level::Nothing, open).expect("it starts");
    // This program has no verb for the first steps of a worker.
    master.containment.leave_out_groups();
    master.spawner.leave_out_steps();
    master
}

#[track_caller]
fn turn_until(what: &str, master: &mut Master, mut done: impl FnMut(&Master) -> bool) {
    let (mut events, end) = (Events::with_capacity(64), instant() + DEADLINE);
    while !done(master) {
        assert!(instant() < end, "did not happen in time: {what}");
        assert_eq!(master.turn(&mut events), None, "it goes on");
    }
}

fn apply(member: &mut MemoryStore, batch: u64, op: impl Into<Op>) -> Reply {
    member.apply(batch, &[op.into()], AT).expect("applied").replies.remove(0)
}

fn state(members: &MemoryStore, job: i64) -> JobState {
    members.connect().job(JobId(job)).expect("read").expect("a job").state
}

#[test]
fn another_member_cancels_a_job_that_runs_here_and_ends_one_that_is_waited_for_here() {
    let name = "another_member_cancels_a_job_that_runs_here_and_ends_one_that_is_waited_for_here";
    if !in_own_process(&format!("master::event_loop::tests::{name}")) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let members = MemoryStore::shared(Duration::from_hours(1));
    let mut master = member(folder.path(), &members);
    let mut other = members.connect();
    let about = store::Master {
        host: "another".to_owned(),
        pid: 1,
        pid_start: 1,
        boot_id: String::new(),
        cookie: String::new(),
        version: String::new(),
    };
    other.join(&about, AT).expect("joined");
    let jobs =
        ["ours", "theirs"].map(|queue| NewJob { queue: QueueName::new(queue).unwrap(), ..NewJob::new("t", "null") });
    apply(&mut other, 1, Request::Push(jobs.into()));
    turn_until("job 1 runs", &mut master, |_| state(&members, 1) == JobState::Running);

    assert!(matches!(apply(&mut other, 2, Change::cancel(JobId(1))), Reply::Elsewhere(..)));
    turn_until("job 1 is cancelled", &mut master, |_| state(&members, 1) == JobState::Cancelled);

    let mut client = UnixStream::connect(&master.in_force.config.socket).expect("it listens");
    client.set_nonblocking(true).expect("set");
    let request = br#"{"jsonrpc":"2.0","id":1,"method":"jobs.wait","params":{"id":2,"timeout_s":3600}}"#;
    client.write_all(&[request, &b"\n"[..]].concat()).expect("written");
    turn_until("the client rests", &mut master, |master| master.requests.next_deadline().is_some());
    apply(&mut other, 3, Change::cancel(JobId(2)));
    let mut answer = Vec::new();
    turn_until("the client is answered", &mut master, |_| match client.read_to_end(&mut answer) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => answer.ends_with(b"\n"),
        read => panic!("{read:?}"),
    });
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.contains(r#""state":"cancelled""#), "{answer}");

    master.stop(None, None);
    assert!(master.event_loop() && master.finish(true), "in order");
}
