//! Clients that are too slow, told from those that are not; time is an argument.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream as Peer;

use super::*;
use crate::wire::control::Follow;

struct Bench {
    clients: Clients,
    poll: mio::Poll,
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let poll = mio::Poll::new().unwrap();
        let served = Served::new(folder.path(), None).unwrap();
        let line_reader = LineReader::start(|_, _, _| {}).unwrap();
        let clients =
            Clients::listen(&folder.path().join("s"), served, line_reader, poll.registry(), Token(0)).unwrap();
        Self { clients, poll, folder }
    }

    fn peer(&mut self) -> (Peer, ClientId) {
        let peer = Peer::connect(self.folder.path().join("s")).unwrap();
        peer.set_nonblocking(true).unwrap();
        let id = ClientId(self.clients.next);
        self.clients.accept(self.poll.registry(), false, |_| Token(1));
        assert!(self.clients.has(id));
        (peer, id)
    }

    fn hears(&mut self, id: ClientId) -> Vec<String> {
        let mut lines = Vec::new();
        self.clients.read(id, |line| lines.push(String::from_utf8_lossy(line.unwrap_or(b"<long>")).into()));
        lines
    }

    /// Every second up to this one; whether the client is still there then.
    fn at(&mut self, seconds: std::ops::Range<u64>, id: ClientId) -> bool {
        for second in seconds {
            self.clients.flush();
            self.clients.lose_patience(Mono(second * 1_000_000));
        }
        self.clients.has(id)
    }
}

#[test]
fn a_request_that_does_not_come_to_its_end_is_waited_for_for_half_a_minute_however_it_dribbles() {
    let mut bench = Bench::new();
    let (mut peer, id) = bench.peer();
    for second in 0..31 {
        peer.write_all(b"x").unwrap();
        assert_eq!(bench.hears(id), [""; 0]);
        assert!(bench.at(second..second + 1, id), "{second}");
    }
    assert!(!bench.at(31..32, id));
    let mut heard = String::new();
    peer.read_to_string(&mut heard).unwrap();
    assert!(heard.contains("the request was not complete in time") && heard.ends_with("}\n"), "{heard}");
}

#[test]
fn one_request_after_the_other_may_take_half_a_minute_each() {
    let mut bench = Bench::new();
    let (mut peer, id) = bench.peer();
    for round in 0..4 {
        peer.write_all(b"begun").unwrap();
        bench.hears(id);
        assert!(bench.at(round * 29..round * 29 + 29, id), "{round}");
        // Its end comes with the beginning of the next.
        peer.write_all(b" ended\n").unwrap();
        assert_eq!(bench.hears(id), ["begun ended"]);
        bench.clients.no_answer(id);
    }
    assert!(bench.at(116..1000, id), "who says nothing may stay");
}

#[test]
fn who_reads_nothing_for_half_a_minute_is_dropped_and_who_reads_slowly_is_not() {
    let mut bench = Bench::new();
    let ((_deaf, deaf), (mut slow, slow_id)) = (bench.peer(), bench.peer());
    let (_paused, follower) = bench.peer();
    bench.clients.follow(follower, Follow::default());
    let answer = vec![b'x'; 8 << 20];
    for id in [deaf, slow_id, follower] {
        bench.clients.answer(id, &answer);
    }
    let mut left = Vec::new();
    for second in 0..100 {
        let mut some = vec![0; 64 * 1024];
        let _ = slow.read(&mut some);
        bench.clients.writable(slow_id);
        bench.at(second..second + 1, deaf);
        left.push([deaf, slow_id, follower].map(|id| bench.clients.has(id)));
    }
    assert!(left[30] == [true, true, true] && left[33] == [false, true, true], "{left:?}");
    assert_eq!(left[99], [false, true, true], "who follows the log may pause it");
}

#[test]
fn when_too_much_waits_for_all_together_the_one_for_which_most_waits_is_dropped() {
    let mut bench = Bench::new();
    let peers: Vec<(Peer, ClientId)> = (0..5).map(|_| bench.peer()).collect();
    let ids: Vec<ClientId> = peers.iter().map(|(_, id)| *id).collect();
    let answer = vec![b'x'; 60 << 20];
    for &id in &ids {
        bench.clients.answer(id, &answer);
        bench.clients.flush();
    }
    assert_eq!(ids.iter().filter(|id| bench.clients.has(**id)).count(), 4);
    drop(peers);
    for id in ids {
        bench.clients.hung_up(id);
        bench.hears(id);
    }
    bench.clients.flush();
    assert_eq!((bench.clients.all.len(), bench.clients.unsent), (0, 0));
}
