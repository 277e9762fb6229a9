//! Lines that begin and do not end, of many at a time: what they take together is bounded.

use std::fs;

use serde_json::{Value, json};

use crate::help::{a_job_is_done, memory, status_is_prompt};
use crate::peer::{Peer, error_of};
use crate::support::{Bench, DEADLINE, eventually};

/// What all of them may take together, what is read at a time, and what else may change meanwhile.
const MOST: u64 = (256 + 64) << 20;

#[test]
fn sixty_clients_in_the_middle_of_a_large_request_take_bounded_memory_and_the_longest_goes_first() {
    let bench = Bench::new();
    let _master = bench.start(&["--workers", "1"]);
    let before = memory(&bench);
    let block = vec![b'x'; 1 << 20];
    let mut short = Peer::new(&bench);
    short.say("{\"id\":1,\"method\":\"ping\"");
    let mut most = 0;
    let mut half: Vec<Peer> = (0..60).map(|_| Peer::new(&bench)).collect();
    for peer in &mut half {
        let stream = peer.stream();
        let mut say = |bytes: &[u8]| std::io::Write::write_all(stream, bytes);
        // One that is dropped meanwhile hears it.
        let _ = say(b"{\"id\":1,\"method\":\"push\",\"params\":{\"type\":\"t\",\"args\":\"")
            .and_then(|()| (0..15).try_for_each(|_| say(&block)));
        most = most.max(memory(&bench));
    }
    println!("60 × 15 MiB of unfinished lines: from {} MiB to {} MiB at most", before >> 20, most >> 20);
    assert!(most < before + MOST, "{most} bytes");
    status_is_prompt(&bench, "60 clients are in the middle of a large request");
    a_job_is_done(&bench);
    assert!(short.say("}\n").hear()["result"].is_object(), "the short one was in nobody's way");
    let mut said = Vec::new();
    for mut peer in half {
        if std::io::Write::write_all(peer.stream(), b"\"}}\n").is_ok() {
            said.push(peer.hear());
        } else {
            let (code, text) = error_of(&peer.hear());
            assert!(code == -32600 && text.contains("unfinished requests and answers"), "{text}");
        }
    }
    let taken = said.iter().filter(|answer| answer["result"].is_object()).count();
    println!("{taken} of 60 were taken");
    assert!((10..=20).contains(&taken), "{taken}");
    bench.wait_for("the memory to be given back", DEADLINE, |b| memory(b) < before + (150 << 20));
}

/// Begins an answer of 15 MiB, and ends it when it may.
const WORKER: &str = r#"
import json, os, sys, time
for line in sys.stdin:
    job = json.loads(line)
    if job.get("method") != "job": continue
    if job["params"]["type"] == "short":
        print(json.dumps({"id": job["id"], "result": "short"}), flush=True)
        continue
    os.write(1, b'{"id":%d,"result":"' % job["id"])
    for _ in range(15):
        left = b"x" * (1 << 20)
        while left: left = left[os.write(1, left):]
    open("begun-%d" % os.getpid(), "w").close()
    while not os.path.exists("end"): time.sleep(0.01)
    os.write(1, b'"}\n')
"#;

#[test]
fn workers_in_the_middle_of_a_large_answer_take_bounded_memory_and_the_longest_fails() {
    const WORKERS: usize = 30;
    let bench = Bench::new();
    fs::write(bench.path().join("worker.py"), WORKER).expect("written");
    let _master =
        bench.start(&["--workers=31", "--queue=default", "--max-attempts=1", "--", "python3", "-S", "worker.py"]);
    let before = memory(&bench);
    let large: Vec<i64> = (0..WORKERS).map(|_| bench.push(&["large"])).collect();
    let begun = || {
        let names = fs::read_dir(bench.path())
            .expect("a folder")
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        names.filter(|name| name.starts_with("begun-")).count()
    };
    let mut most = 0;
    assert!(eventually(2 * DEADLINE, || {
        most = most.max(memory(&bench));
        begun() == WORKERS
    }));
    println!("30 × 15 MiB of unfinished answers: from {} MiB to {} MiB at most", before >> 20, most >> 20);
    assert!(most < before + MOST, "{most} bytes");
    // What clients begin counts with it.
    let block = vec![b'x'; 1 << 20];
    let mut half: Vec<Peer> = (0..20).map(|_| Peer::new(&bench)).collect();
    for peer in &mut half {
        let stream = peer.stream();
        let _ = (0..15).try_for_each(|_| std::io::Write::write_all(stream, &block));
        most = most.max(memory(&bench));
    }
    println!("and 20 × 15 MiB of unfinished requests: to {} MiB at most", most >> 20);
    assert!(most < before + MOST, "{most} bytes");
    drop(half);
    let short = bench.push(&["short"]);
    assert_eq!(bench.wait_for_job(short, "succeeded")["result"], "short");
    fs::write(bench.path().join("end"), "").expect("written");
    let ended: Vec<Value> = large
        .iter()
        .map(|&id| {
            bench.wait_for("the job to end", DEADLINE, |b| {
                ["succeeded", "dead"].map(|s| json!(s)).contains(&b.job(id)["state"])
            });
            bench.job(id)
        })
        .collect();
    let dead: Vec<&Value> = ended.iter().filter(|job| job["state"] == "dead").collect();
    assert!((10..=WORKERS).contains(&dead.len()), "{}", dead.len());
    for job in dead {
        assert!(job["error"].as_str().is_some_and(|e| e.contains("unfinished requests and answers")), "{job}");
    }
}
