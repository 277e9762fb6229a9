//! A master that is stopped or does nothing: what verbs say, and what becomes of requests whose clients have gone.

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::process::{Child, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal::{SIGCONT, SIGSTOP};
use serde_json::{Value, json};

use crate::peer::{Peer, error_of, socket};
use crate::support::{Bench, DEADLINE, Master, eventually, now};

/// Stops a master, as Ctrl-Z, a debugger or a container that is paused does.
#[track_caller]
fn freeze(bench: &Bench, master: &Master<'_>) {
    master.signal(SIGSTOP);
    let tasks = format!("/proc/{}/task", master.pid());
    let stopped = |task: std::io::Result<std::fs::DirEntry>| {
        let stat = std::fs::read_to_string(task.expect("a thread").path().join("stat")).unwrap_or_default();
        stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T'))
    };
    bench.wait_for("it to be stopped", DEADLINE, |_| std::fs::read_dir(&tasks).expect("our child").all(stopped));
}

/// A verb that is about to wait for the master.
fn begin(bench: &Bench, words: &[&str]) -> (Child, std::path::PathBuf) {
    let path = bench.path().join(words.join("-"));
    let file = std::fs::File::create(&path).expect("a file");
    let mut command = bench.command(words);
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file).spawn().expect("the binary");
    (child, path)
}

#[test]
fn the_status_of_a_stopped_master_is_what_the_store_knows_and_in_which_state_it_is() {
    let bench = Bench::new();
    let master = bench.start(&["--workers", "1"]);
    bench.push(&["--queue", "waiting", "t"]);
    freeze(&bench, &master);
    let begun = now();
    let run = bench.run(&["status"]).expect_code(1);
    // 1.5 s, and what a slow machine takes to start a process.
    assert!(begun.elapsed() < Duration::from_millis(2500), "{:?}", begun.elapsed());
    assert!(run.stdout.contains("waiting      1"), "{}", run.stdout);
    let said = format!("master {} does not answer: it is stopped (state T)", master.pid());
    assert!(run.stdout.contains(&said) && run.stderr.contains(&said), "{run:?}");
    let json = bench.run(&["status", "--json"]).expect_code(1).json();
    let of_master = &json["master"];
    assert_eq!((&of_master["state"], &of_master["pid"]), (&json!("unreachable"), &json!(master.pid())), "{json}");
    assert_eq!((&of_master["generation"], &json["queues"][0]["ready"]), (&json!(1), &json!(1)), "{json}");
    assert!(of_master["problems"][0].as_str().expect("a text").contains("stopped"), "{json}");
    master.signal(SIGCONT);
    bench.wait_for("it to answer", DEADLINE, |b| b.status()["master"]["state"] == "running");
}

#[test]
fn verbs_say_what_they_wait_for_and_nothing_is_done_for_those_that_gave_up() {
    let bench = Bench::new();
    let mut master = bench.start(&["--workers", "1"]);
    let (mut known, mut long) = (Peer::new(&bench), Peer::new(&bench));
    known.call("ping", &Value::Null);
    long.call("ping", &Value::Null);
    freeze(&bench, &master);
    let verbs =
        [&["push", "--queue", "q", "t"][..], &["scale", "3"], &["stop"], &["pause", "other"], &["push", "--wait", "t"]];
    let mut waiting: Vec<(Child, std::path::PathBuf)> = verbs.iter().map(|words| begin(&bench, words)).collect();
    let push = format!("{}\n", json!({"id": 1, "method": "push", "params": {"type": "raw", "queue": "q"}}));
    // Clients of others: one has gone, two that were known before have gone, of which one had much to say, which a thread
    // of the master reads, and one has only said that it asks for no more.
    Peer::new(&bench).say(&push);
    known.say(&push);
    long.ask(&json!(8), "push", &json!({"type": "long", "queue": "q", "args": "x".repeat(80_000)}));
    drop((known, long));
    let mut half = Peer::new(&bench);
    half.ask(&json!(7), "push", &json!({"type": "half", "queue": "q"}));
    half.stream().shutdown(std::net::Shutdown::Write).expect("half closed");
    for (child, path) in &mut waiting {
        let text = || std::fs::read_to_string(&*path).unwrap_or_default();
        let told = eventually(Duration::from_secs(8), || text().contains("does not answer: it is stopped"));
        assert!(told && text().contains("Ctrl-C gives up"), "{}: {}", path.display(), text());
        assert_eq!(text().lines().count(), 1, "{}", text());
        assert!(child.try_wait().expect("our child").is_none(), "{} goes on waiting", path.display());
        child.kill().expect("our child");
        child.wait().expect("our child");
    }
    master.signal(SIGCONT);
    assert_eq!(half.hear()["result"]["deduplicated"], false);
    assert!(half.is_closed());
    // What came after them is done: they have had their turn.
    bench.push(&["--queue", "q", "last"]);
    let types: Vec<Value> =
        bench.run(&["jobs", "list", "--oldest", "--json"]).json().as_array().expect("a list").clone();
    assert_eq!(types.iter().map(|job| job["type"].clone()).collect::<Vec<_>>(), [json!("half"), json!("last")]);
    assert_eq!((bench.status()["pools"][0]["wanted"].as_u64(), master.has_ended()), (Some(1), false));
    assert!(bench.status()["queues"].as_array().expect("a list").iter().all(|q| q["paused"] == false));
}

#[test]
fn a_verb_whose_answer_takes_long_says_nothing_while_the_master_is_well() {
    let bench = Bench::new();
    let _master = bench.start(&["--workers", "1"]);
    let id = bench.push(&["--queue", "nobody", "t"]);
    let run = bench.run(&["jobs", "wait", &id.to_string(), "--timeout", "7s"]).expect_code(1);
    assert_eq!(run.stderr, format!("queue-work: job {id} is still ready after 7s\n"));
}

#[test]
fn a_client_that_means_another_store_is_refused_whatever_it_asks_and_told_both() {
    let bench = Bench::new();
    let _master = bench.start(&["--workers", "1"]);
    std::fs::write(bench.path().join("other.db"), "").expect("written");
    let store = json!({"database": "/x/other.db", "file": {"device": 1, "inode": 2}});
    let mut peer = Peer::new(&bench);
    peer.say(format!("{}\n", json!({"id": 1, "store": store, "method": "ping"})));
    let served = bench.database().to_str().expect("UTF-8").to_owned();
    let check = |answer: Value| {
        let (_, text) = error_of(&answer);
        assert!(text.contains(&served) && text.contains("`/x/other.db`"), "{text}");
        assert_eq!(answer["error"]["data"]["exit_code"], 5, "{answer}");
    };
    check(peer.hear());
    for method in ["push", "status", "stop", "jobs.wait", "logs.follow", "no.such"] {
        check(peer.exchange(method, &json!({"type": "t", "id": 1})));
    }
    // One that says nothing is served, and so is one that means this store; it is told so once.
    let mut plain = Peer::new(&bench);
    plain.call("ping", &Value::Null);
    let about = std::fs::metadata(bench.database()).expect("a file");
    let file = {
        use std::os::unix::fs::MetadataExt;
        json!({"device": about.dev(), "inode": about.ino()})
    };
    let right = json!({"id": 1, "store": {"database": "/any/name", "file": file}, "method": "ping"});
    let mut ours = Peer::new(&bench);
    for (round, said) in [&right, &right].into_iter().enumerate() {
        ours.say(format!("{said}\n"));
        if round == 0 {
            let welcome = ours.hear();
            assert_eq!((&welcome["method"], &welcome["params"]["file"]), (&json!("store"), &file), "{welcome}");
        }
        assert_eq!(ours.hear()["result"]["generation"], 1);
    }
    assert_eq!(bench.status()["queues"], json!([]), "nothing was added");
}

#[test]
fn a_master_that_has_a_connection_in_its_queue_and_takes_none_is_given_up_by_status() {
    // Whoever listens there and does nothing.
    let bench = Bench::new();
    bench.push(&["--queue", "waiting", "t"]);
    let _deaf = std::os::unix::net::UnixListener::bind(socket(&bench)).expect("a socket");
    let run = bench.run(&["status"]).expect_code(1);
    let said = format!("master {} does not answer: it is ", std::process::id());
    assert!(run.stderr.contains(&said) && run.stdout.contains("waiting      1"), "{run:?}");
    let mut nothing = [0; 1];
    let mut stream = UnixStream::connect(socket(&bench)).expect("it listens");
    stream.set_nonblocking(true).expect("a socket");
    assert!(stream.read(&mut nothing).is_err());
}
