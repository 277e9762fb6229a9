//! Refusals, with their words and places.

use super::*;

#[test]
fn all_problems_are_reported_at_once_each_with_its_place() {
    let toml = "wokers = 4\n\
                log_files = 2.7\n\
                [keep]\n\
                dead = 30\n\
                [defaults]\n\
                memory = \"1K\"\n  \
                workers = \"many\"\n\
                [pools.mail]\n\
                wokers = 4\n\
                workers = 100000\n\
                kind = \"exce\"\n\
                [pools.\"a b\"]\n";
    assert_eq!(
        Case::new(toml).errors(),
        [
            "queue-work.toml:1:1: unknown key `wokers`; did you mean `workers`, which belongs in `[defaults]` or \
             `[pools.NAME]`?",
            "queue-work.toml:2:13: `log_files` is 2.7; it must be a whole number",
            "queue-work.toml:4:8: `dead`: `30` has no unit; write `10s`, `5m` or `2h`",
            "queue-work.toml:6:10: `memory` is 1K; the least is 1M",
            "queue-work.toml:7:13: `workers` is \"many\"; it must be a whole number, or \"cpus\"",
            "queue-work.toml:9:1: unknown key `wokers`; did you mean `workers`?",
            "queue-work.toml:10:11: `workers` is 100000; the most is 10000",
            "queue-work.toml:11:8: `kind` is \"exce\"; it must be \"protocol\" or \"exec\" or \"opaque\" or \"service\"",
            "queue-work.toml:12:8: the pool name \"a b\" contains ' '; use letters, digits, `.`, `_`, `-` and `:`",
        ]
    );
}

/// The one problem of this file, without the name of the file.
#[track_caller]
fn problem(toml: &str) -> String {
    let errors = Case::new(toml).errors();
    let [error] = &errors[..] else { panic!("{errors:#?}") };
    error.trim_start_matches("queue-work.toml:").to_owned()
}

/// The one problem of a pool with this line, from the column on.
#[track_caller]
fn in_pool(line: &str) -> String {
    let problem = problem(&format!("[pools.a]\n{line}\n"));
    problem.strip_prefix("2:").unwrap_or_else(|| panic!("{problem}")).to_owned()
}

#[test]
fn a_value_out_of_range_is_refused_with_its_bound() {
    let table = [
        ("workers = -1", "11: `workers` is -1; the least is 0"),
        ("workers = 10001", "11: `workers` is 10001; the most is 10000"),
        ("workers = 99999999999999999999", "11: `workers` is 99999999999999999999; the most is 10000"),
        ("workers = -99999999999999999999", "11: `workers` is -99999999999999999999; the least is 0"),
        ("workers = \"4\"", "11: `workers` is \"4\"; it must be a whole number, or \"cpus\""),
        ("workers = true", "11: `workers` is true; it must be a whole number, or \"cpus\""),
        ("timeout = \"0s\"", "11: `timeout` is 0s; the least is 1ms"),
        ("timeout = \"-5s\"", "11: `timeout`: `-5s` is negative; write `10s`, `5m` or `2h`"),
        ("timeout = [1]", "11: `timeout` is a list; it must be a duration in quotes, such as \"30s\""),
        ("timeout = \"off\"", "11: `timeout`: `off` is not a duration; write `10s`, `5m` or `2h`"),
        ("backoff = \"2h\"", "11: `backoff` is 2h; the most is 1h"),
        ("max_attempts = 0", "16: `max_attempts` is 0; the least is 1"),
        ("max_jobs = 0", "12: `max_jobs` is 0; the least is 1"),
        ("max_jobs = \"offf\"", "12: `max_jobs` is \"offf\"; it must be a whole number, or \"off\""),
        ("memory = \"+1K\"", "10: `memory` is +1K; the least is 1M"),
        ("memory = 128", "10: `memory` is 128B; the least is 1M"),
        ("memory_max = \"big\"", "14: `memory_max`: `big` is not a size; write `512K`, `128M` or `2G`"),
        ("memory_max = \"+1G\"", "14: `memory_max`: `+1G` is not a size; write `512K`, `128M` or `2G`"),
        ("prefetch = 1001", "12: `prefetch` is 1001; the most is 1000"),
        ("ready = \"soon\"", "9: `ready` is \"soon\"; it must be \"spawned\" or \"message\""),
        ("cwd = \"\"", "7: `cwd` is empty; write a path"),
        ("cwd = \"~/app\"", "7: `cwd` is \"~/app\"; `~` is not expanded here; write the whole path"),
    ];
    for (line, message) in table {
        assert_eq!(in_pool(line), message);
    }
    let fd = problem(
        "[pools.a]
command = [\"w\"]
protocol_fd = 2
",
    );
    assert_eq!(fd, "3:15: `protocol_fd` is 2; the least is 3");
}

#[test]
fn queues_are_checked_one_by_one() {
    let table = [
        ("queues = \"mail\"", "10: `queues` is \"mail\"; write a list, such as [\"mail\"], or { high = 3, low = 1 }"),
        ("queues = 3", "10: `queues` is 3; write a list, such as [\"high\"], or { high = 3, low = 1 }"),
        ("queues = [\"a\", \"b\", \"a\"]", "10: `queues` names `a` twice"),
        ("queues = [\"a\", 1]", "16: `queues` contains 1; each queue is a name in quotes"),
        (
            "queues = [\"ä\", \"a/b\"]",
            "16: the queue name \"a/b\" contains '/'; use letters, digits, `.`, `_`, `-` and `:`",
        ),
        ("queues = { high = 0 }", "19: `queues.high` is 0; the least is 1"),
        ("queues = { high = 1001 }", "19: `queues.high` is 1001; the most is 1000"),
        ("queues = { high = \"x\" }", "19: `queues.high` is \"x\"; it must be a whole number"),
        (
            "queues = []",
            "10: `queues` is empty; name a queue, or leave the key out to serve the queue of the pool's name",
        ),
    ];
    for (line, message) in table {
        assert_eq!(in_pool(line), message);
    }
}

#[test]
fn a_command_is_an_array_and_never_a_line_for_a_shell() {
    let table = [
        (
            "command = \"python3 worker.py\"",
            "11: `command` is \"python3 worker.py\"; no shell reads it, so write an array: [\"python3\", \"worker.py\"]",
        ),
        ("command = 1", "11: `command` is 1; no shell reads it, so write an array: [\"python3\", \"worker.py\"]"),
        ("command = []", "11: `command` is empty; write the program and its arguments"),
        ("command = [\"\"]", "12: `command[0]` is empty; write a path"),
        ("command = [\"~/w\"]", "12: `command[0]` is \"~/w\"; `~` is not expanded here; write the whole path"),
        ("command = [\"w\", 1]", "17: `command` contains 1; each argument is a text in quotes"),
        ("command = [\"w\", \"a\\u0000\"]", "17: `command` contains \"a\\0\"; an argument cannot contain a zero byte"),
    ];
    for (line, message) in table {
        assert_eq!(in_pool(line), message);
    }
}

#[test]
fn what_contradicts_itself_is_refused() {
    let table = [
        ("kind = \"protocol\"", "1: `kind` is \"protocol\", but there is no `command`; write the worker program"),
        ("kind = \"opaque\"", "1: `kind` is \"opaque\", but there is no `command`; write the worker program"),
        (
            "queues = [\"q\"]\nkind = \"opaque\"\ncommand = [\"w\"]",
            "1: an opaque worker fetches its own jobs elsewhere; leave out `queues`",
        ),
        ("protocol_fd = 3", "1: `protocol_fd` is only for workers of kind \"protocol\", and this one is \"exec\""),
        ("ready = \"message\"", "1: `ready` is \"message\", but a worker of kind \"exec\" sends none"),
        (
            "memory = \"2G\"\nmemory_max = \"1G\"",
            "1: `memory` is 2G, but `memory_max` kills at 1G; `memory` must be lower",
        ),
    ];
    for (lines, message) in table {
        assert_eq!(in_pool(lines), message);
    }
}

#[test]
fn a_contradiction_in_the_defaults_is_reported_once_and_there() {
    let toml = "[defaults]\nmemory = \"2G\"\nmemory_max = \"1G\"\n[pools.a]\n[pools.b]\n";
    assert_eq!(problem(toml), "2:1: `memory` is 2G, but `memory_max` kills at 1G; `memory` must be lower");
}

#[test]
fn a_flag_that_contradicts_the_file_is_named() {
    let flags = Flags { limits: limits(&[("memory_max", "64M"), ("memory", "64M")]), ..Flags::default() };
    let errors = Case::new("[pools.a]\n").flags(flags).errors();
    assert_eq!(errors, ["`--memory`: `memory` is 64M, but `memory_max` kills at 64M; `memory` must be lower"]);
}

#[test]
fn no_pool_has_more_workers_than_it_may_have_and_cpus_are_as_many_at_most() {
    let pool = |toml: &str| Case::new(toml).load().config.pools.remove(0).settings.limits.workers;
    assert_eq!(pool("[defaults]\nmax_workers = 1\n[pools.a]\n"), 1);
    assert_eq!(pool("[pools.a]\nworkers = 2\nmax_workers = 2\n"), 2);
    let said = "`workers` is 4, but `max_workers` is 2; it must not be above it";
    assert_eq!(in_pool("workers = 4\nmax_workers = 2"), format!("1: {said}"));
    assert_eq!(problem("[defaults]\nmax_workers = 2\n[pools.a]\nworkers = 4\n"), format!("4:1: {said}"));
    let said = "it has up to 8 workers, but `max_workers` is 4; it must not be above it";
    assert_eq!(in_pool("autoscale = \"1..8\"\nmax_workers = 4"), format!("1: {said}"));
    let of_processors =
        "[defaults]\nmax_workers = 1\n[processors.a]\ncommand = [\"a\"]\n[processors.b]\ncommand = [\"b\"]\n";
    assert!(Case::new(of_processors).load().config.pools.iter().any(|pool| pool.settings.limits.workers == 2));
}

#[test]
fn a_key_in_the_wrong_table_is_told_its_place() {
    assert_eq!(
        problem("timeout = \"1s\""),
        "1:1: unknown key `timeout` here; it belongs in `[defaults]` or `[pools.NAME]`"
    );
    assert_eq!(problem("[defaults]\nqueues = [\"a\"]"), "2:1: unknown key `queues` here; it belongs in `[pools.NAME]`");
    let here = "2:1: unknown key `database` here; it belongs at the top of the file, before any table";
    assert_eq!(problem("[defaults]\ndatabase = \"x\""), here);
    assert_eq!(problem("zzz = 1"), "1:1: unknown key `zzz`");
    assert_eq!(problem("[pool.a]"), "1:2: unknown key `pool`; did you mean `pools`?");
    assert_eq!(problem("pools = 3"), "1:1: `pools` is 3; write a table `[pools.NAME]` for each pool");
    assert_eq!(problem("[pools]\na = 3"), "2:1: `pools.a` is 3; write a table `[pools.a]`");
    assert_eq!(problem("[[pools]]\n"), "1:3: `pools` is a list; write a table `[pools.NAME]` for each pool");
}

#[test]
fn a_file_that_is_not_toml_is_refused_at_its_place() {
    for (toml, place) in
        [("a = \n", "1:5: "), ("log_files = 1\nlog_files = 2\n", "2:1: "), ("x", "1:2: "), ("a = \"", "1:6: ")]
    {
        let problem = problem(toml);
        assert!(problem.starts_with(&format!("{place}not valid TOML: ")), "{problem}");
    }
    let errors = Case::empty().file("queue-work.toml", b"log_files = 1\nx = \"\xff\"\n").errors();
    assert_eq!(errors, ["queue-work.toml:2:1: this line is not valid UTF-8"]);
}

#[test]
fn files_of_other_systems_are_read() {
    let case = Case::new("\u{feff}log_files = 2\r\n[pools.a]\r\nworkers = 3\r\n");
    assert_eq!(case.load().config.pools[0].settings.limits.workers, 3);
    assert_eq!(problem("\u{feff}log_files = 0\r\n"), "1:13: `log_files` is 0; the least is 1");
}

#[test]
fn the_file_that_is_named_must_exist() {
    let named = |name: &str| Case::new("").flags(Flags { config: Some(name.into()), ..Flags::default() });
    let message = "`--config`: there is no file `x.toml`; write one with `queue-work config init x.toml`";
    assert_eq!(named("x.toml").errors(), [message]);
    assert_eq!(named("x.toml").paths().unwrap_err().to_string(), message);
    assert_eq!(named(".").errors(), ["`--config`: `.` is a folder; name a file"]);
}

#[test]
fn flags_are_checked_like_the_file() {
    let flags = Flags {
        limits: limits(&[("workers", "0"), ("max_jobs", "0"), ("memory", "+1K"), ("timeout", "0s"), ("prefetch", "0")]),
        queue: vec!["a".into(), "a".into(), "x/y".into(), String::new()],
        database: Some(PathBuf::new()),
        from_env: ["max_jobs".to_owned()].into(),
        ..Flags::default()
    };
    let case = Case::new("log_files = 0\n").flags(flags);
    assert_eq!(
        case.errors(),
        [
            "queue-work.toml:1:13: `log_files` is 0; the least is 1",
            "`--workers`: it is 0; the least is 1",
            "`QUEUE_WORK_MAX_JOBS`: it is 0; the least is 1",
            "`--memory`: it is +1K; the least is 1M",
            "`--timeout`: it is 0s; the least is 1ms",
            "`--prefetch`: it is 0; the least is 1",
            "`--database`: it is empty; write a path",
            "`--queue`: `a` is named twice",
            "`--queue`: the queue name \"x/y\" contains '/'; use letters, digits, `.`, `_`, `-` and `:`",
            "`--queue`: a queue name must not be empty",
        ]
    );
}

#[test]
fn flags_that_exclude_each_other_are_refused() {
    let flags = Flags { exec: true, opaque: true, queue: vec!["a".into()], ..Flags::default() };
    assert_eq!(
        Case::empty().flags(flags).errors(),
        [
            "`--opaque`: it cannot go together with `--exec`; leave one of them out",
            "`--exec`: there is no command; write it at the end, after `--`",
            "`--opaque`: there is no command; write it at the end, after `--`",
            "`--opaque`: an opaque worker fetches its own jobs elsewhere; leave out `--queue`",
        ]
    );
}

#[test]
fn without_a_home_the_database_must_be_named() {
    let mut case = Case::empty();
    case.env.clear();
    assert!(case.errors()[0].starts_with("there is no place for the database: "), "{:?}", case.errors());
    case.flags.database = Some("q.db".into());
    assert_eq!(case.load().config.database.name(), case.path("q.db"));
}

#[test]
fn runs_kept_shorter_than_their_jobs_are_a_warning() {
    let loaded = Case::new("[keep]\nruns = \"1h\"\n").load();
    let warnings: Vec<_> = loaded.warnings.iter().map(ToString::to_string).collect();
    let text = "`keep.runs` is 1h, shorter than `keep.succeeded`, 1d: jobs will outlive their runs";
    assert_eq!(warnings, [format!("queue-work.toml:2:1: {text}")]);
}

#[test]
fn no_message_shows_the_value_of_a_variable() {
    for line in ["env = \"s3cret\"", "env = { A = 5432 }", "env = { \"A=\" = \"s3cret\" }", "env.A = \"s3cret\\u0000\""]
    {
        let message = in_pool(line);
        assert!(!message.contains("s3cret") && !message.contains("5432"), "{message}");
    }
}

proptest::proptest! {
    #[test]
    fn no_file_makes_the_reader_panic_or_point_outside_of_it(
        lines in proptest::collection::vec(
            "\\[{0,2}(pools|defaults|keep|é)?(\\.[a-z\"]{0,3})?\\]{0,2}|(workers|queues|command|env|memory|timeout|kind|[a-z]{1,8}) ?= ?(-?[0-9]{1,20}|\"\\PC{0,6}\"|\\[\"a\"(, [0-9])?\\]|\\{ [a-c] = [0-9.]{1,3} \\}|\\PC{0,5})",
            0..8,
        )
    ) {
        let text = lines.join("\n");
        for problem in crate::config::document::read(&text, None, &Environment::default()).problems {
            proptest::prop_assert!(problem.line >= 1 && problem.line <= lines.len().max(1), "{}", problem);
            let line = text.split('\n').nth(problem.line - 1).unwrap_or_default();
            proptest::prop_assert!(problem.column >= 1 && problem.column <= line.chars().count() + 1, "{}", problem);
        }
    }
}

/// Slips of the fingers: a letter left out, doubled, swapped with the next, and one beside it.
fn slips(key: &str) -> Vec<String> {
    let with = |change: &dyn Fn(&mut Vec<char>)| {
        let mut letters: Vec<char> = key.chars().collect();
        change(&mut letters);
        letters.into_iter().collect::<String>()
    };
    let middle = key.len() / 2;
    vec![
        with(&|l| {
            l.remove(middle);
        }),
        with(&|l| l.insert(middle, l[middle])),
        with(&|l| l.swap(middle - 1, middle)),
        with(&|l| l[middle] = 'x'),
    ]
}

#[test]
fn each_key_misspelt_is_refused_and_the_right_one_named() {
    use crate::config::schema::{HOOKS, KEEP, POOL, PROCESSOR, TABLES, TOP};
    let tables = [
        ("", TOP),
        ("[keep]\n", KEEP),
        ("[defaults]\n", PoolLimits::KEYS),
        ("[pools.a]\n", PoolLimits::KEYS),
        ("[pools.a]\n", POOL),
        ("[defaults]\n", HOOKS),
        ("[pools.a]\n", HOOKS),
        ("[processors.a]\n", PROCESSOR),
    ];
    let mut tried = 0;
    for (table, keys) in tables {
        for key in keys {
            for slip in slips(key.name).into_iter().filter(|slip| slip != key.name) {
                let said = problem(&format!("{table}{slip} = 1\n"));
                let unknown = format!("unknown key `{slip}`; did you mean `{}`", key.name);
                assert!(said.contains(&unknown), "{table}{slip}: {said}");
                tried += 1;
            }
        }
    }
    for table in TABLES {
        for slip in slips(table).into_iter().filter(|slip| slip != table) {
            let said = problem(&format!("[{slip}]\n"));
            assert!(
                said.contains(&format!("did you mean `{table}`"))
                    || said.contains(&format!("did you mean `[{table}]`")),
                "{slip}: {said}"
            );
        }
    }
    assert!(tried > 100, "{tried}");
}
