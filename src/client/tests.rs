//! The client against a scripted master.

use std::os::unix::net::UnixListener;
use std::thread;

use super::*;
use crate::wire::control::Stopped;

/// Never told anything.
const ENDLESS: Patience = Patience::Endless(|delay| panic!("{delay:?}"));

fn connect(path: &Path) -> Result<Client, ClientError> {
    Client::connect(path, &path.with_extension("db"), ENDLESS)
}

/// A master of `s.db` that reads one line per entry of `script` and answers with it.
fn master(script: &'static [&'static str]) -> (tempfile::TempDir, PathBuf, thread::JoinHandle<Vec<String>>) {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("s.sock");
    let listener = UnixListener::bind(&path).expect("a socket");
    let database = path.with_extension("db");
    std::fs::write(&database, "").expect("a database");
    let store = StoreName::new(&database, std::fs::metadata(&database).ok().as_ref());
    let welcome = rpc::notification(STORE, &store).expect("a line");
    let handle = thread::spawn(move || {
        let (stream, _) = listener.accept().expect("a client");
        let mut reader = BufReader::new(stream);
        let mut heard = Vec::new();
        for answer in script {
            let mut line = String::new();
            reader.read_line(&mut line).expect("a request");
            if heard.is_empty() && !answer.is_empty() && !answer.contains(STORE) {
                reader.get_mut().write_all(&welcome).expect("a welcome");
            }
            heard.push(line);
            reader.get_mut().write_all(answer.as_bytes()).expect("an answer");
        }
        heard
    });
    (dir, path, handle)
}

#[test]
fn an_answer_is_read_and_a_notification_before_it_is_kept() {
    let (_dir, path, handle) = master(&[
        "{\"method\":\"log\",\"params\":{\"a\":1}}\n{\"id\":1,\"result\":{\"workers\":4,\"released\":1}}\n{\"method\":\"log\"}\n",
    ]);
    let mut client = connect(&path).expect("a connection");
    let stopped: Stopped = client.call("stop", &NONE).expect("an answer");
    assert_eq!(stopped, Stopped { workers: 4, released: 1, ..Stopped::default() });
    let said: Vec<String> = client.notifications().map(|n| n.expect("said").params.get().to_owned()).collect();
    assert_eq!(said, ["{\"a\":1}", "null"]);
    let heard = handle.join().expect("heard");
    assert!(heard[0].starts_with("{\"jsonrpc\":\"2.0\",\"id\":1,\"store\":{\"database\":\""), "{heard:?}");
    assert!(heard[0].ends_with("},\"method\":\"stop\",\"params\":{}}\n"), "{heard:?}");
}

#[test]
fn a_refusal_keeps_the_exit_code_of_the_master() {
    let (_dir, path, _handle) = master(&[
        "{\"id\":1,\"error\":{\"code\":-32000,\"message\":\"there is no pool `x`\",\"data\":{\"exit_code\":4}}}\n",
        "{\"id\":2,\"result\":null}\n",
    ]);
    let mut client = connect(&path).expect("a connection");
    match client.call::<Stopped>("stop", &NONE) {
        Err(ClientError::Refused(error)) => assert_eq!(error.exit_code(), 4),
        other => panic!("{other:?}"),
    }
    client.ping().expect("null is an answer");
    assert!(matches!(client.ping(), Err(ClientError::Unheard)));
}

#[test]
fn an_answer_of_a_master_that_serves_another_store_or_does_not_say_which_does_not_count() {
    let (_dir, path, _handle) = master(&[
        "{\"method\":\"store\",\"params\":{\"database\":\"/x/other.db\",\"file\":{\"device\":1,\"inode\":2}}}\n\
                 {\"id\":1,\"result\":{\"id\":4242}}\n",
    ]);
    match connect(&path).expect("a connection").ping() {
        Err(ClientError::Refused(error)) => {
            assert_eq!(error.exit_code(), 5);
            assert!(error.message.contains("`/x/other.db`") && error.message.contains("s.db`"), "{}", error.message);
        }
        other => panic!("{other:?}"),
    }
    // The name of the method stands in it, so that no welcome is said.
    let (_dir, path, _handle) = master(&["{\"id\":1,\"result\":{\"store\":4242}}\n"]);
    assert!(
        matches!(connect(&path).expect("a connection").ping(), Err(ClientError::Older { pid }) if pid == std::process::id())
    );
}

#[test]
fn what_answers_nothing_is_given_up_where_patience_is_limited() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("s.sock");
    let _deaf = UnixListener::bind(&path).expect("a socket");
    let patience = Patience::Limited(Duration::from_millis(20));
    let mut client = Client::connect(&path, &path.with_extension("db"), patience).expect("it is in the queue");
    match client.ping() {
        Err(ClientError::Silent { pid, .. }) => assert_eq!(pid, std::process::id()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn why_the_master_closed_the_connection_in_the_middle_of_a_request_is_read() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("s.sock");
    let listener = UnixListener::bind(&path).expect("a socket");
    let mut client = connect(&path).expect("a connection");
    let master = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        stream.read_exact(&mut [0; 100]).expect("the beginning");
        let why = b"{\"method\":\"log\"}\n{\"id\":null,\"error\":{\"code\":-32600,\"message\":\"too much\"}}\n";
        stream.write_all(why).expect("it is taken");
    });
    match client.call::<Stopped>("push", &"x".repeat(8 << 20)) {
        Err(ClientError::Refused(error)) => assert_eq!(error.message, "too much"),
        other => panic!("{other:?}"),
    }
    master.join().expect("it ends");
}

#[test]
fn who_names_a_socket_and_sees_no_database_takes_the_word_of_the_socket() {
    let (_dir, path, handle) = master(&["{\"id\":1,\"result\":null}\n"]);
    Client::connect(&path, Path::new("/nowhere/x.db"), ENDLESS).expect("a connection").ping().expect("an answer");
    assert!(!handle.join().expect("heard")[0].contains("\"store\""));
}

#[test]
fn a_request_that_was_read_and_not_answered_may_have_been_done() {
    let (_dir, path, _handle) = master(&[""]);
    let mut client = connect(&path).expect("a connection");
    assert!(matches!(client.ping(), Err(ClientError::Closed)));
}

#[test]
fn a_request_to_a_master_that_accepts_nobody_any_more_is_unheard() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("s.sock");
    let listener = UnixListener::bind(&path).expect("a socket");
    let mut client = connect(&path).expect("a connection");
    let asking = thread::spawn(move || client.ping());
    drop(listener);
    assert!(matches!(asking.join().expect("asked"), Err(ClientError::Unheard)));
}

#[test]
fn no_socket_nobody_behind_it_and_a_long_path_are_told_apart() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("s.sock");
    assert!(matches!(connect(&path), Err(ClientError::NoMaster { .. })));
    drop(UnixListener::bind(&path).expect("a socket"));
    assert!(matches!(connect(&path), Err(ClientError::NoMaster { .. })));
    let long = dir.path().join("x".repeat(120));
    assert!(matches!(connect(&long), Err(ClientError::PathTooLong { .. })));
}
