//! What each example answers.

use super::*;

#[test]
fn the_configuration_of_the_examples_runs_all_of_them() {
    let text = std::fs::read_to_string(folder().join("queue-work.toml")).unwrap();
    let mut tables: Vec<&str> =
        text.lines().filter_map(|line| line.strip_prefix("[pools.")?.strip_suffix(']')).collect();
    tables.sort_unstable();
    tables.retain(|name| *name != FILES);
    assert_eq!(tables, ALL.map(|(name, _)| name));
    let names = installed(&tables);
    let examples = Examples::new(&[&names[..], &[FILES]].concat());
    let _master = examples.start();
    let list = examples.bench.run(&["services", "--json"]).expect_code(0).json();
    // A server declares nothing.
    let version = |name: &str| (!name.starts_with("web")).then_some("1.0.0");
    let found: Vec<Value> = list.as_array().unwrap().iter().map(|s| json!([s["name"], s["version"]])).collect();
    assert_eq!(found, names.iter().map(|name| json!([name, version(name)])).collect::<Vec<_>>());
}

#[test]
fn the_calculator_answers_and_refuses_and_lives() {
    if installed(&["calculator"]).is_empty() {
        return;
    }
    let examples = Examples::new(&["calculator"]);
    let _master = examples.start();
    let (calculator, before) = (examples.service("calculator"), pids(&examples.bench));
    let sums = [("add", 8), ("subtract", 2), ("multiply", 15), ("power", 125)];
    for (method, result) in sums {
        calculator.answers(method, &json!([5, 3]), &json!(result));
    }
    calculator.answers("divide", &json!([1, 4]), &json!(0.25));
    calculator.answers("factorial", &json!([5]), &json!(120));
    calculator.answers("factorial", &json!([0]), &json!(1));
    calculator.refuses("divide", &json!([1, 0]), 1, "division by zero");
    calculator.refuses("factorial", &json!([-1]), 1, "there is no factorial of -1: it is negative");
    calculator.refuses("factorial", &json!([171]), 1, "the factorial of 171 is too large for a number");
    calculator.refuses("power", &json!([10, 999]), 1, "the result is no number");
    calculator.refuses("factorial", &json!([5.5]), 2, "`factorial`: `/0` must be an integer, not a number");
    calculator.refuses("add", &json!([1, "2"]), 2, "`add`: `/1` must be a number, not a string");
    let unknown = examples.bench.run(&["call", "calculator", "root", "[4]"]).expect_code(4);
    assert!(unknown.stderr.contains("`calculator` has no method `root`; it has `add`"), "{}", unknown.stderr);
    let statistics = calculator.call("statistics", &Value::Null);
    assert!(statistics["pid"].as_i64().is_some_and(|pid| before.contains(&pid)), "{statistics}");
    assert!(statistics["done"].is_u64() && statistics["failed"].is_u64(), "{statistics}");
    calculator.was_called_whole_and_lives(&before);
    let said = say("node", "calculator.js", &[json!({"id": 1, "method": "health", "params": {}})]);
    assert_eq!((&said[0]["method"], &said[1]["result"]["status"]), (&json!("ready"), &json!("healthy")));
}

#[test]
fn the_database_keeps_users_and_bounds_what_is_asked_of_it() {
    if installed(&["database"]).is_empty() {
        return;
    }
    let examples = Examples::new(&["database"]);
    let _master = examples.start();
    let (database, before) = (examples.service("database"), pids(&examples.bench));
    let ada = json!({"id": 1, "name": "Ada", "email": "ada@example.org"});
    assert_eq!(database.call("create", &json!({"name": "Ada", "email": "ada@example.org"})), ada);
    database.answers("read", &json!({"id": 1}), &ada);
    let lovelace = json!({"id": 1, "name": "Ada Lovelace", "email": "ada@example.org"});
    database.answers("update", &json!({"id": 1, "name": "Ada Lovelace"}), &lovelace);
    database.answers("search", &json!({"text": "LOVE"}), &json!([lovelace]));
    database.answers("search", &json!({"text": "%"}), &json!([]));
    let again = json!({"name": "Another", "email": "ada@example.org"});
    database.refuses("create", &again, 1, "UNIQUE constraint failed: users.email");
    database.refuses("read", &json!({"id": 2}), 1, "there is no such user");
    database.refuses("read", &json!({"id": "1"}), 2, "`read`: `/id` must be an integer, not a string");

    database.answers("report", &Value::Null, &json!({"example.org": 1}));
    let queries = database.call("statistics", &Value::Null);
    assert_eq!(database.call("delete", &json!({"id": 1})), lovelace);
    database.answers("report", &Value::Null, &json!({"example.org": 1}));
    let after = database.call("statistics", &Value::Null);
    assert_eq!(after["queries"].as_u64(), queries["queries"].as_u64().map(|n| n + 1), "the report is kept");

    let answers = ask(database.unix(), "search", &vec![json!({"text": "x"}); 100]);
    let refused: Vec<&Value> = answers.iter().filter(|answer| answer["status"] == "error").collect();
    assert!(refused.iter().all(|answer| answer["code"] == -32003) && refused.len() >= 50, "{refused:?}");
    database.was_called_whole_and_lives(&before);
    examples.bench.ok(&["stop"]);
    let log = examples.bench.ok(&["logs", "database-1"]);
    assert!(log.contains("closed the database after"), "{log}");
}

#[test]
fn the_database_is_not_ready_where_its_file_cannot_be_opened() {
    if installed(&["database"]).is_empty() {
        return;
    }
    let examples = Examples::new(&["database"]);
    examples.configure(&examples.configuration().replace("users.db", "missing/users.db"));
    let _master = examples.bench.start(&[]);
    examples.bench.wait_for("the refusal to be shown", DEADLINE, |bench| {
        pool(bench)["problem"].as_str().is_some_and(|text| text.contains("unable to open database file"))
    });
    assert_eq!(pool(&examples.bench)["ready"], 0);
}

#[test]
fn the_image_processor_works_on_bytes_one_by_one_and_in_batches() {
    if installed(&["image_processor"]).is_empty() {
        return;
    }
    let examples = Examples::new(&["image_processor"]);
    let _master = examples.start();
    let (images, before) = (examples.service("image_processor"), pids(&examples.bench));
    let image = |width: u32, height: u32, pixels: &str| json!({"width": width, "height": height, "pixels": pixels});
    // Four pixels: 1 2 3, 4 5 6; 7 8 9, 10 11 12.
    let four = image(2, 2, "AQIDBAUGBwgJCgsM");
    images.answers("rotate", &json!({"image": four}), &image(2, 2, "BwgJAQIDCgsMBAUG"));
    let last = image(1, 1, "CgsM");
    images.answers("crop", &json!({"image": four, "x": 1, "y": 1, "width": 1, "height": 1}), &last);
    let first = image(1, 1, "AQID");
    images.answers("thumbnail", &json!({"image": four, "size": 1}), &first);
    images.answers("thumbnail", &json!({"image": four}), &four);
    images.answers("resize", &json!({"image": first, "width": 2, "height": 1}), &image(2, 1, "AQIDAQID"));
    images.answers("filter", &json!({"image": first, "name": "invert"}), &image(1, 1, "/v38"));
    images.answers("filter", &json!({"image": first, "name": "gray"}), &image(1, 1, "AgIC"));
    let outside = json!({"image": four, "x": 1, "y": 1, "width": 2, "height": 1});
    images.refuses("crop", &outside, 1, "the part is not within the image");
    let short = image(2, 2, "AQID");
    images.refuses("rotate", &json!({"image": short}), 1, "`pixels` must be base64 of width × height × 3 bytes");
    let blue = json!({"image": four, "name": "blue"});
    images.refuses("filter", &blue, 2, "`filter`: `/name` must be one of \"invert\", \"gray\", not \"blue\"");
    let batch = json!({"images": [four, short, first], "operation": "resize", "options": {"width": 1, "height": 1}});
    let failed = json!({"error": "`pixels` must be base64 of width × height × 3 bytes"});
    images.answers("batch", &batch, &json!([first, failed, first]));

    // 160,000 bytes each in base64, answered in order.
    let large = |side: u32| image(side, side, &"AAAA".repeat((side * side) as usize));
    let requests: Vec<Value> = (200..208).map(|side| json!({"image": large(side), "name": "invert"})).collect();
    let widths: Vec<u64> =
        ask(images.tcp(), "filter", &requests).iter().filter_map(|answer| answer["data"]["width"].as_u64()).collect();
    assert_eq!(widths, (200..208).collect::<Vec<u64>>());
    images.was_called_whole_and_lives(&before);
    let service = images.bench.run(&["services", images.name, "--json"]).expect_code(0).json();
    assert!(service[0]["metrics"].to_string().contains("\"image_seconds\""), "{}", service[0]["metrics"]);
}

#[test]
fn the_file_watcher_answers_what_changed_and_pushes_a_job_of_each_file() {
    if installed(&["file_watcher"]).is_empty() {
        return;
    }
    let examples = Examples::new(&["file_watcher", FILES]);
    let _master = examples.start();
    let (watcher, bench) = (examples.service("file_watcher"), &examples.bench);
    watcher.answers("files", &Value::Null, &json!(0));
    watcher.answers("changes", &json!([]), &json!([]));
    let inbox = bench.path().join("inbox");
    std::fs::write(inbox.join("a.txt"), "hello").unwrap();
    let change = |number: u32, what: &str, file: &str| json!({"number": number, "what": what, "file": file});
    let created = change(1, "created", "a.txt");
    watcher.answers("changes", &json!([0]), &json!([created]));
    std::fs::write(inbox.join("a.txt"), "hello, world").unwrap();
    let changed = change(2, "changed", "a.txt");
    watcher.answers("changes", &json!([1]), &json!([changed]));
    let before = pids(bench);
    bench.ok(&["restart", "--pool", "file_watcher"]);
    assert_ne!(pids(bench), before);
    std::fs::remove_file(inbox.join("a.txt")).unwrap();
    std::fs::write(inbox.join("ü \"x\" \\ ]"), "odd").unwrap();
    let after = [created, changed, change(3, "created", "ü \"x\" \\ ]"), change(4, "removed", "a.txt")];
    watcher.answers("changes", &Value::Null, &json!(after));
    watcher.answers("files", &Value::Null, &json!(1));
    watcher.refuses("changes", &json!([9]), 1, "there are 4 changes so far, not 9");
    watcher.refuses("changes", &json!(["x"]), 2, "`changes`: `/0` must be an integer, not a string");
    // One that nobody asks about is seen as well: `cksum` prints its bytes.
    std::fs::write(inbox.join("b.txt"), "unasked").unwrap();
    bench.wait_for("its job to be pushed", DEADLINE, |bench| bench.run(&["jobs", "show", "4"]).code == 0);
    let job = bench.wait_for_job(4, "succeeded");
    assert!(job["result"].as_str().is_some_and(|text| text.ends_with(" 7 inbox/b.txt\n")), "{job}");
    watcher.was_called_whole_and_lives(&pids(bench));
}

#[test]
fn the_data_aggregator_counts_in_a_table_of_all_workers() {
    if installed(&["data_aggregator"]).is_empty() {
        return;
    }
    let examples = Examples::new(&["data_aggregator"]);
    let _master = examples.start();
    let (aggregator, before) = (examples.service("data_aggregator"), pids(&examples.bench));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| ask(aggregator.unix(), "record", &vec![json!(["visits", 2]); 50]));
        }
    });
    let summary = json!({"count": 200, "sum": 400, "mean": 2.0});
    aggregator.answers("summary", &json!(["visits"]), &summary);
    assert_eq!(aggregator.call("record", &json!(["errors"])), 1);
    aggregator.answers("names", &Value::Null, &json!(["errors", "visits"]));
    aggregator.refuses("summary", &json!(["calls"]), 1, "nothing was recorded of `calls`");
    aggregator.refuses("record", &json!(["visits", "two"]), 2, "`record`: `/1` must be a number, not a string");
    let outside = ask(aggregator.tcp(), "forget", &[json!(["visits"])]);
    assert_eq!(outside[0]["code"], -32601, "it is not for the sockets: {outside:?}");
    assert_eq!(aggregator.call("forget", &json!(["errors"])), true);
    aggregator.answers("names", &Value::Null, &json!(["visits"]));
    aggregator.was_called_whole_and_lives(&before);
}

#[test]
fn the_api_proxy_leads_to_other_services_and_to_a_server() {
    let names = ["api_proxy", "calculator", "data_aggregator"];
    if installed(&names).len() < names.len() {
        return;
    }
    let examples = Examples::new(&names);
    let _master = examples.start();
    let (proxy, before) = (examples.service("api_proxy"), pids(&examples.bench));
    let to = |service: &str, method: &str, args: Value| json!({"service": service, "method": method, "args": args});
    proxy.answers("forward", &to("calculator", "add", json!([5, 3])), &json!(8));
    proxy.refuses("forward", &to("calculator", "divide", json!([1, 0])), 1, "division by zero");
    proxy.refuses("forward", &to("database", "read", json!({"id": 1})), 1, "the proxy does not lead to `database`");
    proxy.refuses(
        "forward",
        &json!({"service": 5, "method": "x"}),
        2,
        "`forward`: `/service` must be a string, not a number",
    );
    let calls = [
        to("calculator", "add", json!([1, 2])),
        to("calculator", "divide", json!([1, 0])),
        to("data_aggregator", "names", Value::Null),
    ];
    proxy.answers("all", &json!({"calls": calls}), &json!([3, {"error": "division by zero"}, []]));
    proxy.answers("fetch", &json!({"path": "/call/add", "body": [2, 3]}), &json!(5));
    let missing = examples.bench.run(&["call", "api_proxy", "fetch", r#"{"path": "/nothing"}"#]).expect_code(1);
    assert!(missing.stderr.ends_with(" answered 404\n"), "{}", missing.stderr);
    assert!(proxy.call("statistics", &Value::Null)["forwarded"].as_u64() > Some(0));
    proxy.was_called_whole_and_lives(&before);
}
