//! Programs without a master: `call --with` and `try`.

use super::*;

#[test]
fn call_with_starts_a_worker_for_this_call_and_needs_neither_master_nor_database() {
    let bench = bench("workers = 1\n");
    let call = |args: &[&str]| bench.run(&[&["call", "--with", "python3 calc.py"], args].concat());
    assert_eq!(call(&["add", "[5, 3]"]).expect_code(0).stdout, "8\n");
    assert_eq!(call(&["hello", "--raw"]).expect_code(0).stdout, "grüß dich\n");
    assert_eq!(call(&["divide", "[1, 0]"]).expect_code(1).stderr, "queue-work: division by zero\n");
    assert!(call(&["add", "[1, \"x\"]"]).expect_code(2).stderr.contains("`/1` must be a number, not a string"));
    assert!(call(&["ad", "[1, 2]"]).expect_code(4).stderr.contains("`calc` has no method `ad`; did you mean `add`?"));
    let died = call(&["die"]).expect_code(1);
    assert_eq!(died.stderr, "dying, as I was told\nqueue-work: a worker of `calc` died in the call: exit code 7\n");
    assert!(call(&["sleep", "[20]", "--timeout", "2s"]).expect_code(1).stderr.contains("did not answer in 2s"));
    assert!(call(&["calc", "add", "[]"]).expect_code(2).stderr.contains("no SERVICE is named"));
    let broken = bench.verb(&["call", "--with", "python3 calc.py", "add"]).env("CALC_BROKEN", "1").run();
    assert!(broken.expect_code(1).stderr.contains("it ended with exit code 1 before it was ready"));
    let init = bench.verb(&["call", "--with", "python3 calc.py", "init", "--init", "{\"host\": \"db\"}"]);
    assert_eq!(init.env("CALC_INIT", "1").run().expect_code(0).stdout, "{\"host\":\"db\"}\n");
    bench.run(&["call", "--with", "./missing", "add"]).expect_code(1);
    assert!(!bench.database().exists());
}

#[test]
fn a_method_that_takes_an_object_is_called_without_arguments() {
    let bench = bench("workers = 1\n");
    let program = "import json, sys\n\
        print(json.dumps({'method': 'ready', 'params': {'methods': {'show': {'params': {'type': 'object'}}}}}), flush=True)\n\
        for line in sys.stdin:\n    m = json.loads(line)\n    print(json.dumps({'id': m['id'], 'result': m['params']['args']}), flush=True)\n";
    std::fs::write(bench.path().join("calc.py"), program).unwrap();
    assert_eq!(bench.ok(&["call", "--with", "python3 calc.py", "show"]), "{}\n");
    let _master = start(&bench, 1);
    assert_eq!(bench.ok(&["call", "calc", "show"]), "{}\n");
}

#[test]
fn try_shows_both_sides_and_counts_what_is_wrong() {
    let bench = bench("workers = 1\n");
    let good = bench.run(&["try", "--call", "add [5, 3]", "--call", "divide [1, 0]", "--", "python3", "calc.py"]);
    let shown = good.expect_code(0).stdout;
    for part in [
        " started  python3 calc.py (pid ",
        "← ready    {",
        "→ call     {",
        "← result   {\"id\":2,\"result\":8}",
        "← error    {",
    ] {
        assert!(shown.contains(part), "{part}\n{shown}");
    }
    assert!(shown.ends_with("nothing is wrong with it; 2 calls: 1 succeeded, 1 failed\n"), "{shown}");
    let typed = bench.verb(&["try", "--json", "python3", "calc.py"]).stdin("add [1, 2]\n\nadd {\nnobody\n").run();
    let lines: Vec<Value> =
        typed.expect_code(2).stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let last = lines.last().unwrap();
    assert_eq!(
        *last,
        json!({"event": "sum", "ok": false, "mistakes": 0, "succeeded": 1, "failed": 0, "refused": 2, "unanswered": 0})
    );
    // Behind the answer to `health`.
    let heard = lines.iter().rfind(|line| line["event"] == "heard" && line["means"] == "result").unwrap();
    assert_eq!(heard["text"], r#"{"id":2,"result":3}"#);
    let died = bench.run(&["try", "--call", "die", "python3", "calc.py"]).expect_code(1).stdout;
    assert!(
        died.contains("stderr   dying, as I was told") && died.contains("1 mistake; 1 call: 1 not answered"),
        "{died}"
    );
    let missing = bench.run(&["try", "./missing"]).expect_code(1);
    assert_eq!(missing.stderr, "queue-work: cannot run `./missing`: no such file\n");
    assert!(!bench.database().exists());
}

#[test]
fn try_sends_text_that_is_no_json() {
    let bench = bench("workers = 1\n");
    let shout = "import json, sys\nprint('{\"method\":\"ready\",\"params\":{}}', flush=True)\nfor line in sys.stdin:\n    \
                 m = json.loads(line)\n    print(json.dumps({'id': m['id'], 'raw': m['params']['raw'].upper()}), flush=True)\n";
    std::fs::write(bench.path().join("shout.py"), shout).unwrap();
    let shown = bench.ok(&["try", "--raw", "good \"day\"", "--", "python3", "shout.py"]);
    assert!(shown.contains(r#""raw":"good \"day\"""#) && shown.contains(r#""raw": "GOOD \"DAY\"""#), "{shown}");
    assert!(shown.ends_with("nothing is wrong with it; 1 call: 1 succeeded\n"), "{shown}");
    let methods = bench.run(&["try", "--raw", "text", "--", "python3", "calc.py"]).expect_code(2).stdout;
    assert!(methods.contains("the call of `calc` names no method"), "{methods}");
}

#[test]
fn try_says_that_output_is_not_flushed_and_ends_what_does_not_end() {
    let bench = bench("workers = 1\n");
    let program = "import json, sys\nsys.stdout = open(1, 'w', buffering=8192, closefd=False)\n\
        print(json.dumps({'method': 'ready', 'params': {'methods': {'add': {}}}}))\n\
        for line in sys.stdin:\n    pass\n";
    std::fs::write(bench.path().join("buffered.py"), program).unwrap();
    let run = bench.run(&["try", "--timeout", "1s", "--call", "add", "--", "python3", "buffered.py"]).expect_code(1);
    assert!(run.stdout.contains("it has not said `ready` within 1s"), "{}", run.stdout);
    assert!(run.stdout.contains("its output is not flushed after each line"), "{}", run.stdout);
    let stubborn = "trap '' TERM; while :; do sleep 1; done";
    let run =
        bench.run(&["try", "--jobs", "--job", "x", "--timeout", "100ms", "--", "sh", "-c", stubborn]).expect_code(1);
    for part in
        ["did not answer a job of type `x` in 100ms", "it goes on 5s", "SIGTERM does not end it", "ended    by SIGKILL"]
    {
        assert!(run.stdout.contains(part), "{part}\n{}", run.stdout);
    }
}

#[test]
fn try_sends_jobs_to_a_worker_of_a_queue() {
    let bench = Bench::new();
    let worker = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/worker.py");
    let worker = worker.to_str().unwrap();
    let run = bench.run(&["try", "--job", "add [2, 3]", "--job", "nothing", "python3", worker]).expect_code(0);
    assert!(
        run.stdout.contains("→ job      {") && run.stdout.contains("← result   {\"id\": 1, \"result\": 5}"),
        "{}",
        run.stdout
    );
    assert!(run.stdout.ends_with("nothing is wrong with it; 2 jobs: 1 succeeded, 1 failed\n"), "{}", run.stdout);
    let typed = bench.verb(&["try", "--jobs", "python3", worker]).stdin("add [2, 3]\n").run().expect_code(0);
    assert!(typed.stdout.ends_with("1 job: 1 succeeded\n"), "{}", typed.stdout);
}
