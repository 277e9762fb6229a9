//! Orders: what is asked of the master of another host, by its neighbour or by somebody who has nothing but the URL.

use nix::sys::signal::Signal;
use serde_json::Value;

use super::server::new_url;
use super::{Host, eventually};

/// Two hosts with a master each, and somebody without one.
fn hosts() -> (Host, Host, Host) {
    let url = new_url();
    let (mut a, mut b, laptop) = (Host::new(&url), Host::new(&url), Host::new(&url));
    a.start(&["--workers=1"]);
    b.start(&["--workers=1"]);
    (a, b, laptop)
}

fn workers(host: &Host) -> Option<usize> {
    host.json(&["status", "--json"])["workers"].as_array().map(Vec::len)
}

/// Both run on one machine, whose name they have: their generations tell them apart.
const A: &str = "1";
const B: &str = "2";

#[test]
fn a_host_is_scaled_restarted_and_stopped_from_anywhere() {
    let (a, mut b, laptop) = hosts();
    let scaled = laptop.json(&["scale", "3", "--host", B, "--json"]);
    assert_eq!(scaled["pools"][0]["ready"], 3, "{scaled}");
    assert_eq!((workers(&a), workers(&b)), (Some(1), Some(3)));
    assert_eq!(a.ok(&["scale", "2", "--host", B]).trim(), "scaled `default` from 3 to 2 workers: 2 ready");
    assert_eq!(b.ok(&["scale", "+1", "--host", B]).trim(), "scaled `default` from 2 to 3 workers: 3 ready");

    let both = laptop.json(&["restart", "--all", "--all-hosts", "--json"]);
    let restarted = |host: usize| both["hosts"][host]["answer"]["workers"].as_array().map(Vec::len);
    assert_eq!((restarted(0), restarted(1)), (Some(1), Some(3)), "{both}");
    let (_, said, code) = laptop.run(&["restart", "--all", "--all-hosts", "--no-wait"]);
    assert_eq!(code, 2, "{said}");

    let (_, said, code) = laptop.run(&["restart", "--pool", "none", "--host", B]);
    assert_eq!((code, said.contains("there is no pool `none`")), (4, true), "{said}");
    let (_, said, code) = laptop.run(&["scale", "3", "--host", "moon"]);
    let name = a.json(&["status", "--json"])["hosts"][0]["name"].as_str().unwrap().to_owned();
    assert_eq!((code, said.contains(&format!("there is no host `moon`; there is `{name}`"))), (4, true), "{said}");
    let (_, said, code) = laptop.run(&["scale", "3", "--host", &name]);
    assert_eq!((code, said.contains("say which by its generation with `--host`: 1, 2")), (4, true), "{said}");

    let deeds = laptop.json(&["audit", "--json"]);
    let of = |verb: &str| -> Vec<Value> {
        deeds.as_array().unwrap().iter().filter(|deed| deed["verb"] == verb).cloned().collect()
    };
    assert_eq!((of("scale").len(), of("restart").len()), (3, 3), "{deeds}");
    assert!(of("scale")[2]["who"].as_str().unwrap().ends_with(&format!("@{name}")), "{deeds}");
    assert!(of("restart")[0]["outcome"].as_str().unwrap().contains("no pool"), "{deeds}");

    let job = b.ok(&["push", "--", "sleep", "600"]);
    eventually("it runs", || b.state(job.trim()) == "running");
    let said = laptop.ok(&["stop", "--host", B, "--timeout", "0s"]);
    assert!(said.starts_with("stopped: 3 workers ended"), "{said}");
    assert!(b.master.take().unwrap().wait().unwrap().success());
    let (_, said, code) = laptop.run(&["scale", "3", "--host", B]);
    assert_eq!((code, said.contains("there is no host `2`")), (4, true), "{said}");
}

#[test]
fn a_host_that_stands_still_does_not_do_later_what_nobody_waits_for_any_more() {
    let (_a, b, laptop) = hosts();
    b.signal(Signal::SIGSTOP);
    let (_, said, code) = laptop.run(&["scale", "3", "--host", B]);
    b.signal(Signal::SIGCONT);
    assert_eq!((code, said.contains("its last sign of life was ")), (1, true), "{said}");
    laptop.ok(&["scale", "+1", "--host", B]);
    assert_eq!(workers(&b), Some(2), "it was not done first");
}

#[test]
fn a_job_is_cancelled_where_it_runs_before_who_asks_is_told() {
    let url = new_url();
    let (mut a, mut b, laptop) = (Host::new(&url), Host::new(&url), Host::new(&url));
    a.start(&["--workers=1", "--queue=a"]);
    b.start(&["--workers=1", "--queue=b"]);
    let slow_to_end = "trap 'sleep 0.5; exit 1' TERM; while :; do sleep 0.05; done";
    for asker in [&a, &laptop] {
        let job = asker.ok(&["push", "--queue", "b", "--", "sh", "-c", slow_to_end]);
        eventually("it runs at the other", || b.state(job.trim()) == "running");
        assert_eq!(asker.ok(&["jobs", "cancel", job.trim()]).trim(), "cancelled 1 job");
        assert_eq!(b.state(job.trim()), "cancelled");
        let (_, said, code) = asker.run(&["jobs", "cancel", job.trim()]);
        assert_eq!((code, said.contains("cancelled")), (5, true), "{said}");
    }
    let deeds = laptop.json(&["audit", "--verb", "cancel", "--json"]);
    assert_eq!(deeds.as_array().map(Vec::len), Some(4), "each is on record once: {deeds}");
}

#[test]
fn a_file_has_no_other_hosts() {
    let folder = tempfile::tempdir().unwrap();
    let alone = Host::new(folder.path().join("q.db").to_str().unwrap());
    for verb in [&["scale", "3", "--host", A][..], &["restart", "--all", "--all-hosts"], &["stop", "--host", A]] {
        let (_, said, code) = alone.run(verb);
        assert_eq!((code, said.contains("is a file")), (2, true), "{said}");
    }
}
