//! Output of `config show`, `config init` and `status`.

use super::*;

fn in_force(pool: &PoolConfig) -> BTreeMap<String, String> {
    pool.settings.limits.in_force(pool.settings.kind)
}

#[test]
fn every_key_is_shown_with_its_value_and_origin() {
    let toml = "database = \"q.db\"\n[pools.mail]\nqueues = { high = 3, low = 1 }\ncommand = [\"python3\", \"w w.py\"]\n\
                env.TOKEN = \"s3cret\"\ncwd = \"app\"\nmax_time = \"off\"\n";
    let flags =
        Flags { limits: limits(&[("workers", "4")]), from_env: ["workers".to_owned()].into(), ..Flags::default() };
    let case = Case::new(toml).flags(flags);
    let shown = show(&case.load());
    let line = |key: &str| {
        let line = shown.iter().find(|line| line.key == key).unwrap_or_else(|| panic!("no {key}"));
        (line.value.as_str(), line.origin.as_str())
    };
    let database = case.path("q.db").display().to_string();
    assert_eq!(line("database"), (database.as_str(), "file queue-work.toml:1"));
    assert_eq!(line("socket").1, "default");
    assert_eq!(line("keep.runs"), ("7d", "default"));
    assert_eq!(line("log_file_size"), ("10M", "default"));
    assert_eq!(line("pools.mail.queues"), ("high = 3, low = 1", "file queue-work.toml:3"));
    assert_eq!(line("pools.mail.command"), ("python3 \"w w.py\"", "file queue-work.toml:4"));
    assert_eq!(line("pools.mail.env.TOKEN"), ("(set)", "file queue-work.toml:5"));
    assert_eq!(line("pools.mail.max_time"), ("off", "file queue-work.toml:7"));
    assert_eq!(line("pools.mail.workers"), ("4", "environment QUEUE_WORK_WORKERS"));
    assert_eq!(line("defaults.memory"), ("+128M", "default"));
    assert!(!format!("{shown:?}").contains("s3cret"));
}

#[test]
fn limits_in_force_are_worded_with_their_units() {
    let pool = Case::new("[pools.a]\nmax_jobs = 100\n").load().config.pools.remove(0);
    let limits = in_force(&pool);
    let of = |key: &str| limits.get(key).map(String::as_str);
    assert_eq!((of("memory"), of("memory_max")), (Some("+128M"), None));
    assert_eq!((of("max_time"), of("max_jobs")), (Some("1h ± 10 %"), Some("100 ± 10 %")));
    assert_eq!((of("timeout"), of("prefetch"), of("grace")), (Some("1h"), Some("auto"), Some("30s")));
}

#[test]
fn an_opaque_pool_has_no_limits_on_jobs() {
    let toml = "[pools.a]\nkind = \"opaque\"\ncommand = [\"w\"]\nmax_jobs = 3\ntimeout = \"1m\"\n";
    let loaded = Case::new(toml).load();
    let limits = in_force(&loaded.config.pools[0]);
    assert_eq!(limits.keys().collect::<Vec<_>>(), ["grace", "kill_after", "max_time", "memory"]);
    let warnings: Vec<_> = loaded.warnings.iter().map(ToString::to_string).collect();
    let text = "has no effect on an opaque pool, which gets no jobs from here";
    assert_eq!(
        warnings,
        [format!("queue-work.toml:4:1: `max_jobs` {text}"), format!("queue-work.toml:5:1: `timeout` {text}")]
    );
}

#[test]
fn the_template_is_a_valid_file_that_changes_nothing() {
    let loaded = Case::new(template()).load();
    let (file, none) = (loaded.config.file.clone(), Case::empty().load().config);
    assert_eq!(loaded.config, Config { file, ..none });
    assert_eq!(loaded.warnings, []);
    assert!(show(&loaded).iter().all(|line| line.key == "config" || line.origin == "default"));
}

#[test]
fn the_template_without_its_comment_signs_is_valid_too() {
    let mut text = String::new();
    for line in template().lines() {
        let bare = line.trim_start_matches(['#', ' ']);
        let is_value =
            bare.split_once(" = ").is_some_and(|(key, _)| key.chars().all(|c| c.is_ascii_lowercase() || c == '_'));
        if is_value || bare.starts_with('[') {
            text.push_str(bare);
            text.push('\n');
        }
    }
    let config = Case::new(&text).load().config;
    assert_eq!(config.database.name(), Path::new("/var/lib/queue-work/queue-work.db"));
    assert_eq!((config.pools[0].settings.name.as_str(), config.pools[0].protocol_fd), ("mail", Some(3)));
    let schedules: Vec<_> = config.processors.iter().map(|processor| processor.schedule.as_str()).collect();
    assert_eq!(schedules, ["every 5s", "30 2 * * * | @monthly (UTC)"]);
}

#[test]
fn every_key_that_exists_is_explained_in_the_template() {
    use crate::config::schema::{AUTOSCALE, HOOKS, KEEP, POOL, PROCESSOR, TOGETHER, TOP, WINDOW};
    let tables = [TOP, KEEP, TOGETHER, PoolLimits::KEYS, HOOKS, POOL, AUTOSCALE, WINDOW, PROCESSOR];
    for key in tables.into_iter().flatten().filter(|key| key.name != "schedule") {
        assert!(template().contains(&format!("\n# {} = ", key.name)), "{}", key.name);
    }
}
