//! Examples that are servers themselves: what they answer, and how they leave.

use super::super::servers::Http;
use super::*;

#[test]
fn the_web_server_answers_at_both_sockets_and_finishes_what_it_has() {
    if installed(&["web_server"]).is_empty() {
        return;
    }
    let examples = Examples::new(&["web_server"]);
    let _master = examples.start();
    let server = examples.service("web_server");
    let mut kept = Http::new(server.tcp());
    let (who, is_last) = kept.get("/").unwrap();
    assert!(pids(&examples.bench).contains(&who["pid"].as_i64().unwrap()) && !is_last, "{who}");
    assert!(Http::new(server.unix()).get("/").unwrap().0["worker"].as_str().unwrap().starts_with("web_server-"));
    assert_eq!(kept.get("/nothing").unwrap().0["error"], "there is no /nothing");
    let mut slow = Http::new(server.tcp());
    slow.ask("/after/2").unwrap();
    std::thread::scope(|scope| {
        let restart = scope.spawn(|| examples.bench.ok(&["restart", "--pool", "web_server"]));
        examples.bench.wait_for("the old worker to close behind an answer", DEADLINE, |_| {
            let (late, is_last) = kept.get("/").expect("it answers before it closes");
            assert_eq!(late["pid"], who["pid"]);
            is_last
        });
        assert!(slow.answer().is_ok(), "it finishes what it has");
        restart.join().unwrap();
    });
    assert_ne!(Http::new(server.tcp()).get("/").unwrap().0["pid"], who["pid"]);
    let log = examples.bench.ok(&["logs", "--lines", "100000", who["worker"].as_str().unwrap()]);
    assert!(log.contains("\"GET /nothing HTTP/1.1\" 404"), "{log}");
}

#[test]
fn the_websocket_server_sends_back_what_it_gets_and_says_goodbye() {
    if installed(&["websocket_echo"]).is_empty() {
        return;
    }
    let examples = Examples::new(&["websocket_echo"]);
    let _master = examples.start();
    let before = pids(&examples.bench);
    let mut stream = examples.service("websocket_echo").tcp();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    // The example of RFC 6455.
    let head =
        "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n";
    stream.write_all(format!("{head}Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n").as_bytes()).unwrap();
    let mut stream = BufReader::new(stream);
    let mut answer = String::new();
    while !answer.ends_with("\r\n\r\n") {
        assert!(stream.read_line(&mut answer).unwrap() > 0, "{answer}");
    }
    let accepts = "\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";
    assert!(answer.starts_with("HTTP/1.1 101 ") && answer.contains(accepts), "{answer}");

    let (text, ping, close) = (0x81, 0x89, 0x88);
    for length in [0, 5, 300, 70_000] {
        let payload = vec![b'x'; length];
        stream.get_mut().write_all(&frame(text, &payload)).unwrap();
        assert_eq!(read_frame(&mut stream), (text, payload));
    }
    stream.get_mut().write_all(&frame(ping, b"here?")).unwrap();
    assert_eq!(read_frame(&mut stream), (0x8a, b"here?".to_vec()));
    std::thread::scope(|scope| {
        let restart = scope.spawn(|| examples.bench.ok(&["restart", "--pool", "websocket_echo"]));
        assert_eq!(read_frame(&mut stream), (close, 1001_u16.to_be_bytes().to_vec()), "it goes away");
        stream.get_mut().write_all(&frame(close, &1001_u16.to_be_bytes())).unwrap();
        restart.join().unwrap();
    });
    assert!(!pids(&examples.bench).iter().any(|pid| before.contains(pid)));
}

/// A frame as a client sends it.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let (mask, length) = ([1, 2, 3, 4], payload.len());
    let mut frame = vec![first];
    match length {
        0..126 => frame.push(0x80 | length as u8),
        126..65_536 => frame.extend([&[0xfe][..], &(length as u16).to_be_bytes()].concat()),
        _ => frame.extend([&[0xff][..], &(length as u64).to_be_bytes()].concat()),
    }
    frame.extend(mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// A frame of the server: its first byte, and what it carries.
#[track_caller]
fn read_frame(stream: &mut impl Read) -> (u8, Vec<u8>) {
    let mut bytes = |count: usize| {
        let mut bytes = vec![0; count];
        stream.read_exact(&mut bytes).expect("the server goes on");
        bytes
    };
    let head = bytes(2);
    let length = match head[1] {
        126 => bytes(2).iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)),
        127 => bytes(8).iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)),
        length => usize::from(length),
    };
    (head[0], bytes(length))
}
