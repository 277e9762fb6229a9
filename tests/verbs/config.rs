//! `config check`, `show`, `init`: what is in force and where it comes from.

use std::fs;

use serde_json::{Value, json};

use super::support::Bench;

/// Value and origin of a key, as `config show --json` has them.
fn shown(run: &Value, key: &str) -> (String, String) {
    let rows = run.as_array().expect("an array");
    let row = rows.iter().find(|r| r["key"] == key).unwrap_or_else(|| panic!("no {key} in {run:#}"));
    let text = |name: &str| row[name].as_str().unwrap_or_else(|| panic!("{row}")).to_owned();
    (text("value"), text("origin"))
}

fn pair(value: &str, origin: &str) -> (String, String) {
    (value.to_owned(), origin.to_owned())
}

#[test]
fn without_a_file_the_defaults_are_valid_and_in_force() {
    let bench = Bench::new();
    let said = bench.ok(&["config", "check"]);
    assert!(said.starts_with("no configuration file; the defaults are valid: 1 pool, "), "{said}");
    let run = bench.run(&["config", "show", "--json"]).expect_code(0).json();
    for (key, value) in [
        ("defaults.timeout", "1h"),
        ("defaults.max_attempts", "3"),
        ("defaults.max_crashes", "3"),
        ("defaults.backoff", "5s"),
        ("defaults.memory", "+128M"),
        ("defaults.memory_max", "off"),
        ("defaults.max_jobs", "off"),
        ("defaults.max_time", "1h ± 10 %"),
        ("defaults.grace", "30s"),
        ("defaults.kill_after", "5s"),
        ("defaults.ready_timeout", "30s"),
        ("defaults.prefetch", "auto"),
        ("keep.succeeded", "1d"),
        ("keep.dead", "30d"),
        ("keep.runs", "7d"),
        ("signals.hup", "stop"),
        ("health.max_wait", "off"),
        ("metrics.per_worker", "false"),
        ("telemetry.otlp", "off"),
        ("telemetry.sample", "0"),
        ("web.listen", "off"),
        ("web.hosts", ""),
        ("web.base_path", "/"),
        ("web.read_only", "false"),
        ("web.redact", "*password*, *secret*, *token*, authorization"),
        ("web.auth", "token"),
        ("web.user_header", "X-Forwarded-User"),
        ("web.trusted", ""),
        ("web.admins", ""),
        ("web.operators", ""),
        ("web.viewers", "*"),
        ("log_file_size", "10M"),
        ("log_files", "5"),
        ("durability", "full"),
    ] {
        assert_eq!(shown(&run, key), pair(value, "default"), "{key}");
    }
}

#[test]
fn a_flag_goes_over_the_environment_over_the_file_over_the_default() {
    let bench = Bench::new();
    let file = "[defaults]\ntimeout = \"1m\"\nbackoff = \"2s\"\ngrace = \"3s\"\n";
    fs::write(bench.path().join("queue-work.toml"), file).expect("written");
    let run = bench
        .verb(&["--timeout", "5m", "config", "show", "--json"])
        .env("QUEUE_WORK_TIMEOUT", "4m")
        .env("QUEUE_WORK_BACKOFF", "7s")
        .run()
        .expect_code(0)
        .json();
    assert_eq!(shown(&run, "defaults.timeout"), pair("5m", "flag --timeout"));
    assert_eq!(shown(&run, "defaults.backoff"), pair("7s", "environment QUEUE_WORK_BACKOFF"));
    let (value, origin) = shown(&run, "defaults.grace");
    assert!(value == "3s" && origin.starts_with("file ") && origin.contains("queue-work.toml:4"), "{value} {origin}");
    assert_eq!(shown(&run, "defaults.max_attempts"), pair("3", "default"));
    assert_eq!(shown(&run, "database").1, "environment QUEUE_WORK_DATABASE");
}

#[test]
fn a_master_takes_values_of_its_file_and_keys_of_one_pool_from_the_environment() {
    let bench = Bench::new();
    let file = "[pools.mail-out]\nworkers = \"${MAIL_WORKERS:-1}\"\nenv = { KEY = \"${MAIL_KEY}\" }\n[pools.web]\nworkers = 1\n";
    fs::write(bench.path().join("queue-work.toml"), file).expect("written");
    for words in [&["config", "check"][..], &["config", "show"], &["--drain"]] {
        let run = bench.run(words).expect_code(2);
        let place = "queue-work.toml:3:16: the variable `MAIL_KEY` is not set; set it";
        assert!(run.stderr.contains(place), "{}", run.stderr);
    }
    let env = [("MAIL_KEY", "s3cret"), ("MAIL_WORKERS", "2"), ("QUEUE_WORK_POOLS_WEB_WORKERS", "3")];
    let shown = env.iter().fold(bench.verb(&["config", "show"]), |verb, (name, value)| verb.env(name, value)).run();
    assert!(!shown.stdout.contains("s3cret") && shown.stdout.contains("environment QUEUE_WORK_POOLS_WEB_WORKERS"));
    // Who pushes or looks need not know the secrets of the pools.
    let id = bench.push(&["--queue=mail-out", "--", "sh", "-c", "echo $KEY"]);
    let _master = bench.start_with(&[], &env);
    let status = bench.status();
    let wanted: Vec<_> = status["pools"].as_array().expect("pools").iter().map(|pool| &pool["wanted"]).collect();
    assert_eq!(wanted, [&json!(2), &json!(3)]);
    assert_eq!(bench.wait_for_job(id, "succeeded")["result"], "s3cret\n");
    let wrong = bench.verb(&["config", "check"]).env("MAIL_KEY", "x").env("QUEUE_WORK_POOLS_WEP_WORKERS", "3").run();
    assert!(wrong.expect_code(2).stderr.contains("did you mean `QUEUE_WORK_POOLS_WEB_WORKERS`?"));
}

#[test]
fn a_pool_inherits_the_defaults_and_has_limits_of_its_own() {
    let bench = Bench::new();
    let file = concat!(
        "[defaults]\nmax_attempts = 5\ntimeout = \"1m\"\n",
        "[pools.web]\nqueues = [\"high\", \"mail\"]\nworkers = 3\ntimeout = \"2m\"\n",
        "[pools.images]\nqueues = { a = 3, b = 1 }\nkind = \"exec\"\ncommand = [\"convert\", \"{}\"]\n",
    );
    fs::write(bench.path().join("queue-work.toml"), file).expect("written");
    let run = bench.run(&["config", "show", "--json"]).expect_code(0).json();
    assert_eq!(shown(&run, "pools.web.timeout").0, "2m");
    assert_eq!(shown(&run, "pools.images.timeout").0, "1m");
    assert_eq!(shown(&run, "pools.web.max_attempts").0, "5");
    let said = bench.ok(&["config", "check"]);
    assert!(said.contains("is valid: 2 pools"), "{said}");
    let table = bench.ok(&["config", "show"]);
    assert!(table.lines().any(|l| l.contains("pools.web.workers") && l.contains("queue-work.toml:6")), "{table}");
}

#[test]
fn the_file_is_found_here_in_config_and_where_it_is_said() {
    let bench = Bench::new();
    let write = |path: &str, timeout: &str| {
        let path = bench.path().join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, format!("[defaults]\ntimeout = \"{timeout}\"\n")).expect("written");
    };
    let timeout = |words: &[&str]| shown(&bench.run(words).expect_code(0).json(), "defaults.timeout").0;
    write("config/queue-work.toml", "11m");
    assert_eq!(timeout(&["config", "show", "--json"]), "11m");
    write("queue-work.toml", "12m");
    assert_eq!(timeout(&["config", "show", "--json"]), "12m");
    write("elsewhere/q.toml", "13m");
    assert_eq!(timeout(&["--config", "elsewhere/q.toml", "config", "show", "--json"]), "13m");
    let run = bench.verb(&["config", "show", "--json"]).env("QUEUE_WORK_CONFIG", "elsewhere/q.toml").run();
    assert_eq!(shown(&run.expect_code(0).json(), "defaults.timeout").0, "13m");
}

#[test]
fn init_writes_a_file_that_is_valid_and_never_over_another() {
    let bench = Bench::new();
    bench.ok(&["config", "init"]);
    let path = bench.path().join("queue-work.toml");
    let text = fs::read_to_string(&path).expect("a file");
    assert_eq!(bench.ok(&["config", "init", "-"]), text);
    bench.ok(&["config", "check"]);
    fs::write(&path, "mine = 1").expect("written");
    let again = bench.run(&["config", "init"]).expect_code(1);
    assert!(again.stderr.contains("exists"), "{}", again.stderr);
    assert_eq!(fs::read_to_string(&path).expect("a file"), "mine = 1");
    bench.ok(&["config", "init", "other.toml"]);
}

#[test]
fn check_prints_one_document_if_asked_for() {
    let bench = Bench::new();
    let run = bench.run(&["--workers=3", "config", "check", "--json"]).expect_code(0).json();
    assert_eq!(run, json!({"file": null, "pools": 1, "workers": 3, "processors": [], "warnings": []}));
}

#[test]
fn check_prints_the_next_times_of_each_calendar_in_its_zone() {
    let bench = Bench::new();
    let file = concat!(
        "[processors.here]\ncron = \"0 12 * * *\"\ncommand = [\"true\"]\n",
        "[processors.there]\ncron = \"30 2 * * *\"\ntimezone = \"Asia/Kolkata\"\ncommand = [\"true\"]\n",
        "[processors.often]\nevery = \"5s\"\ncommand = [\"true\"]\n[processors.foreign]\n",
    );
    fs::write(bench.path().join("queue-work.toml"), file).expect("written");
    let check = |zone: &str| bench.verb(&["config", "check"]).env("TZ", zone).run();
    let said = check("Asia/Tokyo").expect_code(0).stdout;
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines[0].ends_with(" workers, 4 processors"), "{said}");
    let heads: Vec<&&str> = lines.iter().filter(|line| line.contains(": ") && !line.starts_with('`')).collect();
    let here = "here: 0 12 * * * (Asia/Tokyo)";
    let expected = [here, "there: 30 2 * * * (Asia/Kolkata)", "often: every 5s", "foreign: none"];
    assert_eq!(heads, expected.iter().collect::<Vec<_>>());
    assert_eq!(lines.iter().filter(|line| line.ends_with("T12:00:00+09:00")).count(), 3, "{said}");
    assert_eq!(lines.iter().filter(|line| line.ends_with("T02:30:00+05:30")).count(), 3, "{said}");
    let refused = check("Nowhere/Land").expect_code(2).stderr;
    assert!(refused.contains("queue-work.toml:2:1: the time zone of this machine cannot be read: "), "{refused}");
    let document = bench.verb(&["config", "check", "--json"]).env("TZ", "Asia/Tokyo").run().expect_code(0).json();
    assert_eq!(document["processors"][1]["timezone"], "Asia/Kolkata");
    assert_eq!(document["processors"][1]["next"].as_array().map(Vec::len), Some(3));
    assert_eq!(
        document["processors"][2],
        json!({"name": "often", "schedule": "every 5s", "timezone": null, "next": []})
    );
}

#[test]
fn a_master_follows_its_file_and_paths_are_relative_to_it() {
    let bench = Bench::new();
    let folder = bench.path().join("conf");
    fs::create_dir_all(folder.join("app")).expect("a folder");
    let file =
        "[pools.p]\nqueues = [\"default\"]\nworkers = 1\nmax_attempts = 1\ncwd = \"app\"\nenv = { FROM = \"file\" }\n";
    fs::write(folder.join("q.toml"), file).expect("written");
    let lines = "{\"type\":\"exec\",\"args\":{\"argv\":[\"sh\",\"-c\",\"echo $FROM $QUEUE_WORK_WORKER; pwd\"]}}";
    bench.verb(&["push", "--jsonl"]).stdin(lines).run().expect_code(0);
    bench.run(&["--config", "conf/q.toml", "--drain"]).expect_code(0);
    let app = folder.join("app").canonicalize().expect("a folder");
    assert_eq!(bench.job(1)["result"], format!("file p-1\n{}\n", app.display()));
}
