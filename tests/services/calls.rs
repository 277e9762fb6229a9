//! Calls over unix sockets, TCP and HTTP, and by `call`.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;

use super::*;

#[test]
fn methods_are_called_over_a_unix_socket_over_tcp_and_over_http() {
    let (tcp, http) = (free_port(), free_port());
    let listen = format!("listen = [\"unix:calc.sock\", \"tcp:{tcp}\", \"http:{http}\"]\nworkers = 2\n");
    let bench = bench(&listen);
    let _master = start(&bench, 2);
    let mut client = Client::connect(&bench).unwrap();
    assert_eq!(client.call("add", &json!([5, 3])), Some(json!({"status": "success", "data": 8})));
    let failed = client.call("divide", &json!([1, 0])).unwrap();
    assert_eq!((&failed["status"], &failed["message"]), (&json!("error"), &json!("division by zero")));
    assert_eq!(client.call("divide", &json!([1, 4])).unwrap()["data"], 0.25, "the worker lives on");
    let mode = bench.path().join("calc.sock").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let mut stream = TcpStream::connect(("127.0.0.1", tcp)).unwrap();
    stream.write_all(b"{\"action\": \"add\", \"parameters\": [1, 2]}").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&answer).unwrap()["data"], 3);

    let mut stream = TcpStream::connect(("127.0.0.1", http)).unwrap();
    let request = "POST /call/add HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 6\r\nConnection: close\r\n\r\n[2, 3]";
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("\r\n\r\n5"), "{answer}");
}

#[test]
fn call_prints_the_result_and_its_exit_code_says_what_went_wrong() {
    let bench = bench("workers = 1\n");
    let _master = start(&bench, 1);
    let call = |args: &[&str]| bench.run(&[&["call", "calc"], args].concat());
    assert_eq!(call(&["add", "[5, 3]"]).expect_code(0).stdout, "8\n");
    assert_eq!(call(&["add", "{\"a\": 1, \"b\": 2}"]).expect_code(2).stdout, "");
    assert_eq!(call(&["hello"]).expect_code(0).stdout, "\"grüß dich\"\n");
    assert_eq!(call(&["hello", "--raw"]).expect_code(0).stdout, "grüß dich\n");
    let divided = bench.verb(&["call", "calc", "divide", "-"]).stdin("[1,\n 0]").run().expect_code(1);
    assert_eq!((&*divided.stdout, &*divided.stderr), ("", "queue-work: division by zero\n"));
    call(&["nothing"]).expect_code(4);
    bench.run(&["call", "nobody", "add"]).expect_code(4);
    call(&["add", "[1, \"x\"]"]).expect_code(2);
    let wrong = call(&["add", "[1, x]"]).expect_code(2);
    assert!(wrong.stderr.contains("the arguments are not JSON"), "{}", wrong.stderr);
    let deep = call(&["size", &("[".repeat(200) + &"]".repeat(200))]).expect_code(2);
    assert_eq!(deep.stderr, "queue-work: the arguments are nested deeper than 128 levels\n");
    let slow = call(&["sleep", "[20]", "--timeout", "200ms"]).expect_code(1);
    assert!(slow.stderr.contains("deadline"), "{}", slow.stderr);
}

#[test]
fn with_json_the_error_of_a_call_is_an_object_on_stdout_and_the_result_as_it_is() {
    let bench = bench("workers = 1\n");
    let _master = start(&bench, 1);
    let call = |args: &[&str]| bench.run(&[&["call", "--json"], args].concat());
    let failed = |args: &[&str], exit: i32| {
        let run = call(args).expect_code(exit);
        assert_eq!(run.stderr, "", "{args:?}");
        run.json()["error"].clone()
    };
    assert_eq!(call(&["calc", "hello"]).expect_code(0).stdout, "\"grüß dich\"\n");
    assert_eq!(failed(&["calc", "divide", "[1, 0]"], 1), json!({"code": -32000, "message": "division by zero"}));
    let wrong = failed(&["calc", "add", "[1, \"x\"]"], 2);
    assert_eq!((&wrong["code"], &wrong["data"]["path"]), (&json!(-32602), &json!("/1")), "{wrong}");
    assert_eq!(failed(&["calc", "nothing"], 4)["code"], -32601);
    assert_eq!(failed(&["nobody", "add"], 4)["code"], -32601);
    assert_eq!(failed(&["--with", "python3 calc.py", "divide", "[1, 0]"], 1)["message"], "division by zero");
}

#[test]
fn call_without_a_master_or_without_any_service_says_so() {
    let bench = Bench::new();
    bench.run(&["call", "calc", "add"]).expect_code(3);
    let _master = bench.start(&["--workers", "1"]);
    let missing = bench.run(&["call", "calc", "add"]).expect_code(4);
    assert_eq!(missing.stderr, "queue-work: there is no service `calc`; see `queue-work services`\n");
    assert_eq!(bench.run(&["services", "--json"]).expect_code(0).stdout, "[]\n");
}

#[test]
fn services_lists_workers_addresses_methods_and_figures() {
    let bench = bench("workers = 1\nlisten = \"unix:calc.sock\"\n");
    let _master = start(&bench, 1);
    bench.ok(&["call", "calc", "add", "[5, 3]"]);
    bench.wait_for("the call to be counted", DEADLINE, |bench| {
        let list = bench.run(&["services", "--json"]).expect_code(0).json();
        let methods = list[0]["methods"].as_array().cloned().unwrap_or_default();
        methods.iter().any(|method| method["name"] == "add" && method["requests"] == 1)
    });
    let list = bench.run(&["services", "calc", "--json"]).expect_code(0).json();
    let service = &list[0];
    let address = format!("unix:{}", bench.path().canonicalize().unwrap().join("calc.sock").display());
    assert_eq!(
        json!([service["name"], service["version"], service["state"], service["workers"], service["listen"]]),
        json!(["calculator", "1.0.0", "healthy", 1, [address]])
    );
    let table = bench.ok(&["services"]);
    assert!(table.contains("calc") && table.contains("healthy") && table.contains("1/1"), "{table}");
    let page = bench.ok(&["services", "calc"]);
    assert!(page.starts_with("service calc 1.0.0: healthy, 1 of 1 workers ready\n") && page.contains("add"), "{page}");
    bench.run(&["services", "nobody"]).expect_code(4);
    let status = bench.ok(&["status"]);
    assert!(status.contains("service") && status.contains("calc.sock"), "{status}");
}

#[test]
fn a_program_that_says_nothing_of_itself_answers_whole_messages() {
    let bench = bench("");
    let echo = "import json, sys\nfor line in sys.stdin:\n    m = json.loads(line)\n    \
                print(json.dumps({'id': m['id'], 'result': m['params'].get('args')}), flush=True)\n";
    std::fs::write(bench.path().join("calc.py"), echo).unwrap();
    write_config(&bench, "workers = 1\nlisten = \"unix:calc.sock\"\nready = \"spawned\"\n");
    let _master = start(&bench, 1);
    let mut client = Client::connect(&bench).unwrap();
    let message = json!({"action": "anything", "parameters": {"deep": [1]}});
    assert_eq!(client.call("anything", &json!({"deep": [1]})), Some(message));
}

#[test]
fn the_master_reads_no_byte_of_a_call() {
    const BYTES: usize = 200_000;
    const CALLS: usize = 60;
    let bench = bench("workers = 1\nlisten = \"unix:calc.sock\"\n");
    let master = start(&bench, 1);
    let read = || {
        let counters = std::fs::read_to_string(format!("/proc/{}/io", master.pid())).unwrap();
        counters.lines().find_map(|line| line.strip_prefix("rchar: ")).unwrap().parse::<usize>().unwrap()
    };
    let mut client = Client::connect(&bench).unwrap();
    let text = json!(["x".repeat(BYTES)]);
    let before = read();
    for _ in 0..CALLS {
        assert_eq!(client.call("size", &text).unwrap()["data"], BYTES);
    }
    // Once a second it reads of its processes in `/proc`.
    let more = read() - before;
    assert!(more < BYTES * CALLS / 10, "{more} bytes");
}
