//! Processors: what they mean, the pool that runs them, refusals.

use super::*;
use crate::model::processor::{Missed, Overlap, Timing};
use crate::model::{ProcessorName, UnixMicros};

pub(super) fn processor(toml: &str) -> ProcessorSettings {
    let mut processors = Case::new(toml).load().config.processors;
    assert_eq!(processors.len(), 1);
    processors.remove(0)
}

#[test]
fn a_processor_that_says_little_has_every_default() {
    let found = processor("[processors.mail]\nevery = \"90s\"\ncommand = [\"bin/send\", \"-v\"]\n");
    let job = found.job.clone().unwrap();
    let expected = ProcessorSettings {
        name: ProcessorName::new("mail").unwrap(),
        description: String::new(),
        enabled: true,
        timing: Timing::Every(secs(90)),
        schedule: "every 1m 30s".to_owned(),
        timezone: None,
        sleep: Duration::ZERO,
        overlap: Overlap::Skip,
        missed: Missed::Once,
        missed_within: secs(86_400),
        missed_max: 100,
        jitter: Duration::ZERO,
        run_at_start: false,
        keep_runs: None,
        timeout: secs(3600),
        job: found.job.clone(),
    };
    assert_eq!(found, expected);
    assert_eq!((&*job.kind, job.queue.as_str(), job.priority), ("exec", "processors", 0));
    assert_eq!((job.timeout, job.max_attempts), (Some(secs(3600)), Some(1)));
}

#[test]
fn a_command_is_a_job_as_push_makes_it_with_paths_relative_to_the_file() {
    let toml = "[processors.a]\ncommand = [\"bin/send\", \"b c\"]\ncwd = \"app\"\nenv = { TOKEN = \"${TOKEN}\" }\n\
                timeout = \"5s\"\nmax_attempts = 2\npriority = -7\n";
    let case = Case::new(toml).env("TOKEN", "s3cret");
    let loaded = case.load();
    let job = loaded.config.processors[0].job.clone().unwrap();
    let (program, cwd) = (case.path("bin/send"), case.path("app"));
    let args = serde_json::json!({"argv": [program, "b c"], "cwd": cwd, "env": {"TOKEN": "s3cret"}});
    assert_eq!(serde_json::from_str::<serde_json::Value>(&job.args).unwrap(), args);
    assert_eq!((job.timeout, job.max_attempts, job.priority), (Some(secs(5)), Some(2), -7));
    assert_eq!(loaded.config.processors[0].schedule, "none");
    assert!(!format!("{:?}", show(&loaded)).contains("s3cret"));
}

#[test]
fn a_job_of_a_queue_has_any_args() {
    let toml = "[pools.mail]\ncommand = [\"w\"]\n[processors.a]\nqueue = \"mail\"\ntype = \"send\"\n\
                args = { to = [\"${WHO:-me}\", 1, 2.5, true], at = 2026-01-31 }\ncron = \"@daily\"\ntimezone = \"Asia/Kolkata\"\n";
    let loaded = Case::new(toml).load();
    assert_eq!(loaded.warnings, []);
    let found = &loaded.config.processors[0];
    let job = found.job.clone().unwrap();
    assert_eq!((&*job.kind, job.queue.as_str()), ("send", "mail"));
    assert_eq!(&*job.args, r#"{"at":"2026-01-31","to":["me",1,2.5,true]}"#);
    assert_eq!((found.schedule.as_str(), found.timezone.as_deref()), ("@daily (Asia/Kolkata)", Some("Asia/Kolkata")));
    let Timing::Calendar(calendar) = &found.timing else { panic!("{found:?}") };
    let next = calendar.after(UnixMicros::from_timestamp("2026-01-01T00:00Z".parse().unwrap()));
    assert_eq!(next.unwrap().to_timestamp().to_string(), "2026-01-01T18:30:00Z");
    assert_eq!(processor("[processors.a]\ntype = \"t\"\nqueue = \"q\"").job.unwrap().args, "null".into());
}

#[test]
fn the_schedule_in_words_changes_with_the_schedule() {
    let words = |lines: &str| processor(&format!("[processors.a]\ncommand = [\"c\"]\n{lines}\n")).schedule;
    for (lines, schedule) in [
        ("every = \"5s\"", "every 5s"),
        ("every = \"5000ms\"", "every 5s"),
        ("every = \"5s\"\nevery_from = \"start\"", "every 5s from start"),
        ("every = \"0s\"\nsleep = \"1s\"", "every 0s"),
        ("cron = \" 30  2 * * * \"\ntimezone = \"europe/berlin\"", "30 2 * * * (Europe/Berlin)"),
        ("cron = [\"0 9 * * MON\", \"@monthly\"]\ntimezone = \"UTC\"", "0 9 * * MON | @monthly (UTC)"),
        ("", "none"),
    ] {
        assert_eq!(words(lines), schedule, "{lines}");
    }
    let grid = processor("[processors.a]\ncommand = [\"c\"]\nevery = \"5s\"\nevery_from = \"start\"");
    assert_eq!(grid.timing, Timing::Grid(secs(5)));
}

#[test]
fn a_processor_may_be_run_from_elsewhere_alone() {
    let found = processor("[processors.backup]\ndescription = \"from crontab\"\nenabled = false\nkeep_runs = \"1w\"");
    assert_eq!((found.timing, found.job, found.enabled), (Timing::External, None, false));
    assert_eq!(found.keep_runs, Some(secs(7 * 86_400)));
    assert_eq!(Case::new("[processors.backup]").load().config.pools.len(), 1);
}

#[test]
fn commands_have_a_pool_with_a_worker_for_each() {
    let pool = |toml: &str, flags: Flags| {
        let loaded = Case::new(toml).flags(flags).load();
        let pool = loaded.config.pools.iter().find(|pool| pool.settings.name.as_str() == "processors").cloned();
        let pool = pool.unwrap_or_else(|| panic!("{:?}", loaded.config.pools));
        assert_eq!((queues(&pool), pool.settings.kind), (vec!["processors"], PoolKind::Exec));
        let names: Vec<_> = loaded.config.pools.iter().map(|pool| pool.settings.name.to_string()).collect();
        (names.join(" "), pool.settings.limits.workers, pool.settings.limits.max_time)
    };
    let two = "[processors.a]\ncommand = [\"a\"]\nmax_time = \"20m\"\n[processors.b]\ncommand = [\"b\"]\nmax_time = \"10m\"\n\
               [processors.c]\nqueue = \"q\"\ntype = \"t\"\n";
    let all = |more: &str| format!("{two}{more}");
    let workers = || Flags { limits: limits(&[("workers", "1")]), ..Flags::default() };
    let mail = Flags { queue: vec!["mail".into()], ..workers() };
    assert_eq!(pool(two, Flags::default()), ("default processors".into(), 2, Some(secs(600))));
    // The number for all pools is not meant for this one: a processor would wait for another.
    assert_eq!(pool(two, workers()), ("default processors".into(), 2, Some(secs(600))));
    assert_eq!(pool(two, mail.clone()), ("mail processors".into(), 2, Some(secs(600))));
    let own = all("[pools.processors]\nworkers = 5\nmax_time = \"off\"\n");
    assert_eq!(pool(&own, Flags::default()), ("default processors".into(), 5, None));
    assert_eq!(pool(&own, Flags { limits: Vec::new(), ..mail }), ("mail processors".into(), 5, None));
    let beside = all("[pools.processors]\n[pools.x]\n");
    let unused = |toml: &str| {
        let loaded = Case::new(toml).flags(Flags { queue: vec!["q".into()], ..Flags::default() }).load();
        loaded.warnings.iter().filter(|warning| warning.message.contains("are not used")).count()
    };
    assert_eq!((unused(&own), unused(&beside)), (0, 1));
    assert_eq!(pool(&beside, workers()), ("processors x".into(), 2, Some(secs(600))));
    let many: Vec<_> = (0..100).map(|n| format!("[processors.p{n}]\ncommand = [\"a\"]\n")).collect();
    assert_eq!(pool(&many.concat(), Flags::default()).1, 64);
    let variable = Case::new(two).env("QUEUE_WORK_POOLS_PROCESSORS_WORKERS", "7").load();
    assert_eq!(variable.config.pools[1].settings.limits.workers, 7);
}

#[test]
fn the_pool_of_processors_runs_their_commands_or_is_refused() {
    let wrong = "the pool `processors` runs the commands of processors, from the queue of its name; leave out `queues`, \
                 `kind` and `command`, or give the pool another name";
    let command = "[processors.a]\ncommand = [\"a\"]\n";
    for pool in ["queues = [\"q\"]", "command = [\"w\"]"] {
        let errors = Case::new(&format!("{command}[pools.processors]\n{pool}\n")).errors();
        assert_eq!(errors, [format!("queue-work.toml:3:8: {wrong}")]);
    }
    let flags = Flags { queue: vec!["processors".into()], command: words(&["w"]), ..Flags::default() };
    assert_eq!(Case::new(command).flags(flags).errors(), [format!("`--`: {wrong}")]);
    assert_eq!(Case::new("[pools.processors]\ncommand = [\"w\"]\n").load().config.pools.len(), 1);
}

#[test]
fn what_nobody_runs_is_a_warning() {
    let toml = "[processors.a]\nqueue = \"mail\"\ntype = \"send\"\n";
    let warnings = |toml: &str| Case::new(toml).load().warnings.iter().map(ToString::to_string).collect::<Vec<_>>();
    let why =
        "no pool runs jobs of type `send` from the queue `mail`; write one with `queues = [\"mail\"]` and a `command`";
    assert_eq!(warnings(toml), [format!("queue-work.toml:2:1: {why}")]);
    assert_eq!(warnings(&format!("{toml}[pools.mail]\ncommand = [\"w\"]\n")), [""; 0]);
    assert_eq!(warnings(&format!("{toml}[pools.mail]\n")).len(), 1);
}

#[test]
fn every_key_of_a_processor_is_shown_with_its_origin() {
    let toml = "[processors.a]\ncron = [\"@daily\", \"0 9 * * MON\"]\ncommand = [\"c\", \"${KEY}\"]\nenv = { A = \"s3cret\" }\n\
                timeout = \"90s\"\n[processors.b]\nqueue = \"q\"\ntype = \"t\"\nargs = { k = \"${KEY}\" }\n[pools.q]\ncommand = [\"w\"]\n";
    let case = Case::new(toml).env("KEY", "hidden");
    let shown = show(&case.load());
    let line = |key: &str| {
        let line = shown.iter().find(|line| line.key == format!("processors.{key}"));
        line.map(|line| (line.value.as_str(), line.origin.as_str()))
    };
    assert_eq!(line("a.cron"), Some(("@daily | 0 9 * * MON", "file queue-work.toml:2")));
    assert_eq!(line("a.command"), Some(("c ${KEY}", "file queue-work.toml:3, environment KEY")));
    assert_eq!(line("a.env.A"), Some(("(set)", "file queue-work.toml:4")));
    assert_eq!(line("a.timeout"), Some(("1m 30s", "file queue-work.toml:5")));
    assert_eq!(line("a.missed_within"), Some(("1d", "default")));
    assert_eq!(line("a.every_from"), None);
    assert!(line("a.timezone").is_some_and(|(zone, from)| zone.starts_with("local (") && from == "default"));
    assert_eq!(line("b.timezone"), None);
    assert_eq!(line("b.queue"), Some(("q", "file queue-work.toml:7")));
    assert!(line("b.args").is_some_and(|(args, _)| args.contains("${KEY}")), "{shown:#?}");
    let pool = shown.iter().find(|line| line.key == "pools.processors.workers").unwrap();
    assert_eq!((pool.value.as_str(), pool.origin.as_str()), ("1", "number of processors"));
    assert!(!format!("{shown:?}").contains("s3cret") && !format!("{shown:?}").contains("hidden"));
}

#[test]
fn ten_thousand_processors_are_loaded() {
    let one = |n: u32| {
        let minute = n % 60;
        format!(
            "[processors.p{n}]\ncron = \"{minute} {} * * *\"\ntimezone = \"Europe/Berlin\"\ncommand = [\"a\", \"{n}\"]\n",
            n / 60 % 24
        )
    };
    let toml: Vec<_> = (0..10_000).map(one).collect();
    let loaded = Case::new(&toml.concat()).load();
    assert_eq!(loaded.config.processors.len(), 10_000);
    assert!(show(&loaded).len() > 100_000);
}
