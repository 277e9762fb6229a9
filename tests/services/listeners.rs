//! Addresses that cannot be listened at, and those that are left behind.

use std::os::unix::net::UnixListener;

use super::*;

/// What a master says that cannot begin.
#[track_caller]
fn refused(bench: &Bench) -> String {
    bench.run(&[]).expect_code(2).stderr
}

#[test]
fn a_place_that_is_taken_stops_the_start_with_its_reason() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let tcp = bench(&format!("listen = \"tcp:{port}\"\n"));
    let text = format!("cannot listen at `tcp:127.0.0.1:{port}`: another process listens there");
    assert!(refused(&tcp).contains(&text), "{}", refused(&tcp));

    let unix = bench("listen = \"unix:calc.sock\"\n");
    let _listener = UnixListener::bind(unix.path().join("calc.sock")).unwrap();
    let said = refused(&unix);
    assert!(said.contains("calc.sock` is in use by process "), "{said}");
    assert!(unix.path().join("calc.sock").exists(), "the file of another process is never removed");

    let file = bench("listen = \"unix:calc.sock\"\n");
    std::fs::write(file.path().join("calc.sock"), "mine").unwrap();
    assert!(refused(&file).contains("exists and is no socket"), "{}", refused(&file));

    let folder = bench("listen = \"unix:missing/calc.sock\"\n");
    assert!(refused(&folder).contains("its folder does not exist"), "{}", refused(&folder));
}

#[test]
fn a_stale_socket_is_replaced_and_the_mode_is_that_of_the_configuration() {
    use std::os::unix::fs::PermissionsExt;
    let bench = bench("workers = 1\nlisten = \"unix:calc.sock\"\nsocket_mode = \"0660\"\n");
    drop(UnixListener::bind(bench.path().join("calc.sock")).unwrap());
    let _master = start(&bench, 1);
    let mode = bench.path().join("calc.sock").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o660);
    assert_eq!(Client::connect(&bench).unwrap().call("add", &json!([1, 2])).unwrap()["data"], 3);
}

#[test]
fn a_reload_that_cannot_listen_changes_nothing() {
    let bench = bench("workers = 1\n");
    let _master = start(&bench, 1);
    let _listener = UnixListener::bind(bench.path().join("calc.sock")).unwrap();
    write_config(&bench, "workers = 1\nlisten = [\"unix:other.sock\", \"unix:calc.sock\"]\n");
    let refused = bench.run(&["reload"]).expect_code(5);
    assert!(refused.stderr.contains("is in use by process"), "{}", refused.stderr);
    assert!(!bench.path().join("other.sock").exists());
    assert_eq!(bench.ok(&["call", "calc", "add", "[1, 2]"]), "3\n");
}

#[test]
fn a_configuration_that_is_wrong_is_refused_with_line_and_column() {
    let bench = bench("listen = \"http:0.0.0.0:80\"\n");
    let said = bench.run(&["config", "check"]).expect_code(2).stderr;
    let text = "queue-work.toml:4:1: `listen`: `http:0.0.0.0:80` can be reached from other machines";
    assert!(said.contains(text), "{said}");
    write_config(&bench, "listen = \"http:0.0.0.0\"\nstrategy = \"best\"\n");
    let said = bench.run(&["config", "check"]).expect_code(2).stderr;
    assert!(said.contains("queue-work.toml:4:10: `listen`: `0.0.0.0` is no port"), "{said}");
    assert!(said.contains("queue-work.toml:5:12: `strategy`: there is no strategy `best`"), "{said}");
}

#[test]
fn a_control_socket_whose_path_leaves_no_room_for_calls_is_refused_with_the_next_step() {
    let bench = bench("listen = \"unix:calc.sock\"\n");
    let socket = bench.path().join("x".repeat(100 - bench.path().as_os_str().len()));
    let said = bench.run(&["--socket", &socket.display().to_string()]).expect_code(2).stderr;
    let text = "the path has 107 bytes, a socket's may have 103; choose another place with `--socket`";
    assert!(said.contains(text), "{said}");
}

#[test]
fn sockets_that_somebody_has_removed_are_made_again() {
    let bench = bench("workers = 1\nlisten = [\"unix:calc.sock\", \"unix:other.sock\"]\n");
    let _master = start(&bench, 1);
    let calls = || {
        let files = std::fs::read_dir(bench.path()).expect("a folder").map(|file| file.expect("a file").path());
        files.filter(|path| path.to_string_lossy().ends_with(".calls")).collect::<Vec<_>>()
    };
    let mut stays = Client::connect_to(&bench.path().join("other.sock")).expect("a connection");
    std::fs::remove_file(bench.path().join("calc.sock")).expect("it is there");
    let [of_calls] = &calls()[..] else { panic!("one socket of calls: {:?}", calls()) };
    std::fs::remove_file(of_calls).expect("it is there");
    bench.wait_for("both to be there again", DEADLINE, |bench| {
        bench.path().join("calc.sock").exists() && of_calls.exists()
    });
    bench.wait_for("calls to be answered again", DEADLINE, |bench| {
        bench.run(&["call", "calc", "add", "[1, 2]"]).stdout == "3\n"
    });
    let mut new = Client::connect(&bench).expect("a connection");
    assert_eq!(new.call("add", &json!([1, 2])).expect("an answer")["data"], 3);
    assert_eq!(stays.call("add", &json!([2, 2])).expect("an answer")["data"], 4, "of another socket");
}

#[test]
fn other_machines_may_speak_http_with_who_has_a_token_and_a_reload_reads_it_anew() {
    let port = free_port();
    let table = format!("workers = 1\nlisten = \"http:0.0.0.0:{port}\"\ntoken_file = \"token\"\n");
    let bench = bench(&table);
    let missing = bench.run(&["config", "check"]).expect_code(2).stderr;
    assert!(missing.contains("queue-work.toml:6:1: `token_file`: cannot read `"), "{missing}");
    std::fs::write(bench.path().join("token"), "first\n").unwrap();
    let _master = start(&bench, 1);
    let status = |token: &str| {
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        let head = "GET /health HTTP/1.1\r\nHost: example.org\r\nConnection: close\r\n";
        stream.write_all(format!("{head}Authorization: Bearer {token}\r\n\r\n").as_bytes()).unwrap();
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer).unwrap();
        answer["HTTP/1.1 ".len()..][..3].to_owned()
    };
    assert_eq!((&*status("first"), &*status("second")), ("200", "401"));
    std::fs::write(bench.path().join("token"), "second").unwrap();
    let reloaded = bench.ok(&["reload"]);
    assert!(reloaded.contains("token_file") && !reloaded.contains("second"), "{reloaded}");
    bench.wait_for("the new token to be asked for", DEADLINE, |_| status("second") == "200");
    assert_eq!(status("first"), "401");

    write_config(&bench, &table.replace("token_file = \"token\"", "token = \"third\""));
    let shown = bench.ok(&["config", "show"]);
    assert!(shown.contains("(set)") && !shown.contains("third"), "{shown}");
    let reloaded = bench.ok(&["reload"]);
    assert!(!reloaded.contains("third"), "{reloaded}");
    bench.wait_for("the other token to be asked for", DEADLINE, |_| status("third") == "200");
}
