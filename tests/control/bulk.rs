//! Bulk pushes by any client of the control socket.

use serde_json::{Value, json};

use crate::peer::Peer;
use crate::support::{Bench, DEADLINE};

fn seen(peer: &mut Peer) -> usize {
    peer.call("jobs.list", &json!({"limit": 1000})).as_array().expect("jobs").len()
}

#[test]
fn what_a_connection_begins_is_added_at_its_commit_and_dropped_at_its_end() {
    let bench = Bench::new();
    let _master = bench.start(&["--workers=1", "--queue=elsewhere"]);
    let (mut peer, mut other) = (Peer::new(&bench), Peer::new(&bench));
    let job = |n: u32| json!({"type": "t", "args": n, "unique": format!("key {}", n % 3)});
    let jobs: Vec<Value> = (0..5).map(job).collect();
    let bulk = peer.call("bulk.begin", &json!({}))["bulk"].clone();
    let added = peer.call("bulk.add", &json!({"bulk": bulk, "jobs": jobs}));
    assert_eq!(added, json!({"count": 5, "first_id": 1}));
    assert_eq!(seen(&mut other), 0);
    // Nobody else can go on with it, nor can it be gone on with badly.
    for (method, params) in [
        ("bulk.commit", json!({"bulk": bulk})),
        ("bulk.add", json!({"bulk": bulk, "jobs": jobs})),
        ("bulk.drop", json!({"bulk": bulk})),
    ] {
        let (_, text) = other.refusal(method, &params);
        assert!(text.contains("this connection has no bulk push"), "{text}");
    }
    let (_, text) = peer.refusal("bulk.add", &json!({"bulk": bulk, "jobs": [job(1), {"type": ""}]}));
    assert!(text.starts_with("job 2: "), "{text}");
    let done = peer.call("bulk.commit", &json!({"bulk": bulk, "ids": true}));
    let expected =
        json!({"count": 5, "deduplicated": 2, "first_id": 1, "last_id": 3, "duplicates": [[4, 1], [5, 2]], "batch": 1});
    assert_eq!((done, seen(&mut other)), (expected, 3));
    peer.refusal("bulk.commit", &json!({"bulk": bulk}));
    // Dropped by request, and by the end of the connection.
    let bulk = peer.call("bulk.begin", &json!({}))["bulk"].clone();
    peer.call("bulk.add", &json!({"bulk": bulk, "jobs": [{"type": "t"}]}));
    assert_eq!(peer.call("bulk.drop", &json!({"bulk": bulk})), json!(true));
    let bulk = peer.call("bulk.begin", &json!({}))["bulk"].clone();
    peer.call("bulk.add", &json!({"bulk": bulk, "jobs": [{"type": "t"}]}));
    drop(peer);
    let left = || {
        let database = rusqlite::Connection::open(bench.database()).expect("the database");
        let count = |table: &str| -> i64 {
            database.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).expect("counted")
        };
        (count("jobs"), count("bulks"), count("bulk_ranges"), count("bulk_counts"))
    };
    bench.wait_for("what was begun to be dropped", DEADLINE, |_| left() == (3, 0, 0, 0));
    assert_eq!(seen(&mut other), 3);
}

#[test]
fn a_client_that_asks_for_the_commit_before_it_is_answered_is_told_how_many_were_added() {
    let bench = Bench::new();
    let _master = bench.start(&["--workers=1", "--queue=elsewhere"]);
    let mut peer = Peer::new(&bench);
    let bulk = peer.call("bulk.begin", &json!({}))["bulk"].clone();
    let jobs = vec![json!({"type": "t"}); 5];
    peer.ask(&json!(1), "bulk.add", &json!({"bulk": bulk, "jobs": jobs}));
    peer.ask(&json!(2), "bulk.add", &json!({"bulk": bulk, "jobs": jobs}));
    peer.ask(&json!(3), "bulk.commit", &json!({"bulk": bulk}));
    let answers = [peer.hear(), peer.hear(), peer.hear()];
    assert_eq!((&answers[2]["result"]["count"], seen(&mut peer)), (&json!(10), 10), "{answers:?}");
}
