//! Clients that mean no good, or just sit there: nobody else notices.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::peer::{Peer, socket};
use crate::support::{Bench, DEADLINE, eventually, fixture};

/// How soon `status` answers, whatever others do.
const PROMPT: Duration = Duration::from_millis(100);

/// Asks for the status many times; the one in the middle is what counts, as this machine has other work, too.
#[track_caller]
fn status_is_prompt(bench: &Bench) {
    let took = Peer::new(bench).status_takes();
    assert!(took[10] < PROMPT, "{took:?}");
}

#[test]
fn two_hundred_silent_clients_and_one_that_dribbles_hold_nobody_up() {
    let bench = Bench::new();
    let _master = bench.start(&["--workers", "2"]);
    let mut silent: Vec<Peer> = (0..200).map(|_| Peer::new(&bench)).collect();
    let mut dribbles = Peer::new(&bench);
    for byte in b"{\"id\":1,\"method\":\"ping\"" {
        dribbles.say([*byte]);
        status_is_prompt(&bench);
    }
    let id = bench.push(&["--", "true"]);
    bench.wait_for_job(id, "succeeded");
    // They were not dropped for their silence.
    dribbles.say("}\n").hear();
    silent[199].call("ping", &Value::Null);
}

#[test]
fn a_client_that_never_reads_is_dropped_and_takes_little_memory() {
    let bench = Bench::new();
    let _master = bench.start(&["--workers", "1"]);
    let mut peer = Peer::new(&bench);
    let large = peer.call("push", &json!({"type": "a", "queue": "nobody", "args": "x".repeat(8 << 20)}));
    let request = json!({"id": 1, "method": "jobs.show", "params": large["id"].as_i64().map(|id| json!({"id": id}))});
    let line = format!("{request}\n");
    let dropped = eventually(DEADLINE, || peer.stream().write_all(line.as_bytes()).is_err());
    assert!(dropped, "it may go on for ever");
    status_is_prompt(&bench);
    let memory = bench.status()["master"]["memory_bytes"].as_u64().expect("its memory");
    assert!(memory < 200 << 20, "{memory} bytes");
    let id = bench.push(&["--", "true"]);
    bench.wait_for_job(id, "succeeded");
}

#[test]
fn what_a_client_asked_for_is_done_although_it_left_before_the_answer() {
    let bench = Bench::new();
    let _master = bench.start(&["--workers", "2"]);
    let line =
        format!("{}\n", json!({"id": 1, "method": "push", "params": {"type": "exec", "args": {"argv": ["true"]}}}));
    for _ in 0..50 {
        Peer::new(&bench).say(&line);
    }
    Peer::new(&bench).say(line.repeat(2000));
    bench.wait_for("all of them", DEADLINE, |b| b.status()["queues"][0]["succeeded_total"] == 2050);
}

#[test]
fn connections_of_clients_that_went_away_while_they_waited_are_given_back() {
    let bench = Bench::new();
    let master = bench.start(&["--workers", "1"]);
    let id = bench.push(&["--queue", "nobody", "t"]);
    let sockets = || {
        let fds = std::fs::read_dir(format!("/proc/{}/fd", master.pid())).expect("our child");
        fds.filter_map(|fd| std::fs::read_link(fd.ok()?.path()).ok()).filter(|to| to.starts_with("socket:")).count()
    };
    let wait = format!("{}\n", json!({"id": 1, "method": "jobs.wait", "params": {"id": id}}));
    let mut peer = Peer::new(&bench);
    peer.call("ping", &Value::Null);
    let before = sockets();
    for _ in 0..1100 {
        Peer::new(&bench).say(&wait);
        // One after the other: there are never many at once.
        peer.call("ping", &Value::Null);
    }
    bench.wait_for("the connections to be closed", DEADLINE, |_| sockets() <= before + 1);
    bench.ok(&["jobs", "cancel", &id.to_string()]);
}

#[test]
fn half_a_connection_still_gets_its_answer() {
    let bench = Bench::new();
    let _master = bench.start(&["--workers", "1"]);
    let mut peer = Peer::new(&bench);
    let id = bench.push(&["--", "sh", "-c", "while [ ! -e go ]; do sleep 0.02; done"]);
    peer.ask(&json!(1), "jobs.wait", &json!({"id": id}));
    peer.stream().shutdown(std::net::Shutdown::Write).expect("half closed");
    std::fs::write(bench.path().join("go"), "").expect("written");
    assert_eq!(peer.hear()["result"]["state"], "succeeded");
    assert!(peer.is_closed());
}

#[test]
fn the_socket_is_private_and_another_user_is_refused() {
    let bench = Bench::new();
    let _master = bench.start(&["--workers", "1"]);
    let path = socket(&bench);
    let mode = |path: &std::path::Path| std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o600);
    if !nix::unistd::Uid::effective().is_root() {
        return; // Nobody else can be played without being root.
    }
    // Even if somebody opened the door: the credentials are checked.
    for (path, mode) in [(bench.path(), 0o755), (&path, 0o666)] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("ours");
    }
    let script = "import os, socket, sys\nos.setuid(int(sys.argv[2]))\ns = socket.socket(socket.AF_UNIX)\ns.settimeout(20)\n\
                  s.connect(sys.argv[1])\ntry:\n s.sendall(b'{\"id\":1,\"method\":\"status\"}\\n')\n print(s.recv(100))\n\
                  except (BrokenPipeError, ConnectionResetError):\n print(b'')";
    let as_user = |uid: &str| {
        let out = Command::new("/usr/bin/python3").args(["-c", script]).arg(&path).arg(uid).output().expect("python");
        String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr)
    };
    assert_eq!(as_user("65534").trim(), "b''");
    assert!(as_user("0").contains("jsonrpc"));
}

/// The processor time a process has used, in clock ticks (a hundredth of a second).
fn ticks(pid: u64) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("the master lives");
    let fields: Vec<&str> = stat.rsplit_once(')').expect("a name").1.split_whitespace().collect();
    [11, 12].iter().map(|&at| fields[at].parse::<u64>().expect("a number")).sum()
}

#[test]
fn a_worker_that_asks_and_does_not_listen_is_not_heard_further_and_fills_no_memory() {
    let bench = Bench::new();
    let command = fixture("asks.py");
    let _master = bench.start(&["--workers", "1", "--queue", "default", "--", &command[0], &command[1]]);
    // What would grow has two seconds to do so.
    eventually(Duration::from_secs(2), || {
        let memory = bench.status()["master"]["memory_bytes"].as_u64().expect("a number");
        assert!(memory < 150_000_000, "{memory} bytes");
        false
    });
    status_is_prompt(&bench);
}

#[test]
fn many_who_wait_for_one_job_are_all_answered_and_cost_nothing_meanwhile() {
    let bench = Bench::new();
    let _master = bench.start(&["--workers", "1"]);
    let id = bench.push(&["--", "sleep", "60"]);
    bench.wait_for_job(id, "running");
    let mut waiting: Vec<Peer> = (0..3).map(|_| Peer::new(&bench)).collect();
    for peer in &mut waiting {
        peer.ask(&json!("end"), "jobs.wait", &json!({"id": id}));
    }
    let mut peer = Peer::new(&bench);
    for n in 0..4 {
        peer.ask(&json!(n), "jobs.retry", &json!({"ids": [id]}));
    }
    for _ in 0..4 {
        assert_eq!(peer.hear()["result"]["refused"][0]["exit_code"], 5);
    }
    let pid = bench.status()["master"]["pid"].as_u64().expect("a number");
    let before = ticks(pid);
    eventually(Duration::from_secs(1), || false);
    assert!(ticks(pid) - before < 50, "{} ticks in a second", ticks(pid) - before);
    peer.call("jobs.cancel", &json!({"ids": [id]}));
    for peer in &mut waiting {
        assert_eq!(peer.hear()["result"]["state"], "cancelled");
    }
}

#[test]
fn a_follower_that_asks_for_no_more_still_hears_the_log_until_it_leaves() {
    let bench = Bench::new();
    let master = bench.start(&["--workers", "1"]);
    let mut peer = Peer::new(&bench);
    peer.call("logs.follow", &json!({}));
    peer.stream().shutdown(std::net::Shutdown::Write).expect("it is open");
    bench.ok(&["push", "--wait", "--", "sh", "-c", "echo knock >&2"]);
    assert!(peer.hear_text().contains("knock"));
    let open = || std::fs::read_dir(format!("/proc/{}/fd", master.pid())).expect("it runs").count();
    let before = open();
    drop(peer);
    assert!(eventually(DEADLINE, || open() < before), "it is kept for ever");
}
