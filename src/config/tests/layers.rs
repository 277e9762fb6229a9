//! Values in force, given a file, an environment and flags.

use super::*;
use crate::model::{MemoryLimit, QueueOrder};

#[test]
fn without_anything_one_pool_runs_commands_with_the_documented_defaults() {
    let loaded = Case::empty().load();
    let config = &loaded.config;
    assert_eq!(loaded.config.file, None);
    assert_eq!(loaded.warnings, []);
    assert_eq!(config.database.name(), Path::new("/home/me/.local/state/queue-work/queue-work.db"));
    assert_eq!(config.socket, Path::new("/home/me/.local/state/queue-work/queue-work.db.sock"));
    assert_eq!(config.logs_dir, Path::new("/home/me/.local/state/queue-work/queue-work.db.logs"));
    assert_eq!((config.durability, config.drain), (Durability::Full, false));
    assert_eq!((config.log_file_bytes, config.log_files), (10 << 20, 5));
    let day = secs(86_400);
    assert_eq!(config.keep, KeepFor { succeeded: day, dead: day * 30, runs: day * 7, audit: day * 90 });
    let [pool] = &config.pools[..] else { panic!("{:?}", config.pools) };
    let (settings, limits) = (&pool.settings, &pool.settings.limits);
    assert_eq!(*limits, config.defaults);
    assert_eq!((settings.name.as_str(), queues(pool), settings.kind), ("default", vec!["default"], PoolKind::Exec));
    let cpus = std::thread::available_parallelism().unwrap().get();
    assert_eq!((limits.workers as usize, limits.max_attempts, limits.max_crashes), (cpus, 3, 3));
    assert_eq!((limits.timeout, limits.backoff, limits.max_time), (secs(3600), secs(5), Some(secs(3600))));
    assert_eq!((limits.memory, limits.memory_max), (Some(MemoryLimit::Growth(128 << 20)), None));
    assert_eq!((limits.max_jobs, limits.prefetch, pool.protocol_fd), (None, Prefetch::Auto, None));
    assert_eq!((limits.grace, limits.kill_after, limits.ready_timeout), (secs(30), secs(5), secs(30)));
}

#[test]
fn a_pool_inherits_from_the_defaults_and_says_the_rest_itself() {
    let loaded = Case::new(
        "[defaults]\ntimeout = \"5m\"\nworkers = 2\nmemory = \"off\"\n\
         [pools.mail]\nworkers = 0\ncommand = [\"python3\", \"w.py\"]\n[pools.other]\nmax_jobs = 5\nmax_time = \"none\"\n",
    )
    .load();
    let [mail, other] = &loaded.config.pools[..] else { panic!() };
    assert_eq!((queues(mail), mail.settings.kind), (vec!["mail"], PoolKind::Protocol));
    assert_eq!((queues(other), other.settings.kind), (vec!["other"], PoolKind::Exec));
    let (mail, other) = (&mail.settings.limits, &other.settings.limits);
    assert_eq!((mail.workers, mail.timeout, mail.memory), (0, secs(300), None));
    assert_eq!((other.workers, other.timeout, other.max_jobs, other.max_time), (2, secs(300), Some(5), None));
    assert_eq!(loaded.config.defaults.timeout, secs(300));
}

#[test]
fn a_flag_wins_over_environment_file_and_default() {
    let flags = Flags {
        limits: limits(&[("workers", "7"), ("memory", "+5000001"), ("timeout", "1s 500.25ms")]),
        durability: Some(Durability::Process),
        from_env: ["timeout".to_owned()].into(),
        ..Flags::default()
    };
    let toml =
        "durability = \"full\"\n[defaults]\nmax_attempts = 4\n[pools.a]\nworkers = 1\ntimeout = \"5m\"\n[pools.b]\n";
    let loaded = Case::new(toml).flags(flags).load();
    let pools = loaded.config.pools.iter().map(|pool| &pool.settings.limits);
    for limits in pools.chain([&loaded.config.defaults]) {
        assert_eq!((limits.workers, limits.max_attempts), (7, 4));
        assert_eq!(limits.memory, Some(MemoryLimit::Growth(5_000_001)));
        assert_eq!(limits.timeout, Duration::from_micros(1_500_250));
    }
    assert_eq!(loaded.config.durability, Durability::Process);
    let origin = |key| loaded.origins.get(key).to_owned();
    assert_eq!(origin("pools.a.workers"), "flag --workers");
    assert_eq!(origin("defaults.timeout"), "environment QUEUE_WORK_TIMEOUT");
    assert_eq!(origin("pools.b.max_attempts"), "file queue-work.toml:3");
    assert_eq!(origin("pools.b.grace"), "default");
    assert_eq!(origin("durability"), "flag --durability");
    assert_eq!(origin("keep.dead"), "default");
}

#[test]
fn pools_and_queues_keep_the_order_of_the_file() {
    let loaded =
        Case::new("[pools.z]\nqueues = { low = 1, high = 3, a = 2 }\n[pools.a]\nqueues = [\"q2\", \"q1\"]\n").load();
    let names: Vec<_> = loaded.config.pools.iter().map(|pool| pool.settings.name.as_str()).collect();
    assert_eq!(names, ["z", "a"]);
    let QueueOrder::Weighted(weights) = &loaded.config.pools[0].settings.queues else { panic!() };
    let weights: Vec<_> = weights.iter().map(|(name, weight)| (name.as_str(), *weight)).collect();
    assert_eq!(weights, [("low", 1), ("high", 3), ("a", 2)]);
    assert_eq!(queues(&loaded.config.pools[1]), ["q2", "q1"]);
    assert!(matches!(loaded.config.pools[1].settings.queues, QueueOrder::Strict(_)));
}

#[test]
fn queues_on_the_command_line_replace_the_pools_of_the_file() {
    let flags = Flags {
        queue: vec!["a".into(), "b.1".into()],
        limits: limits(&[("workers", "3")]),
        command: words(&["./w", "--x"]),
        exec: true,
        ..Flags::default()
    };
    let toml = "[defaults]\ngrace = \"1s\"\n[pools.a]\ntimeout = \"5m\"\n[pools.mail]\n";
    let loaded = Case::new(toml).flags(flags).load();
    let [a, b] = &loaded.config.pools[..] else { panic!() };
    let names = [a.settings.name.as_str(), b.settings.name.as_str()];
    assert_eq!((names, queues(a), queues(b)), (["a", "b.1"], vec!["a"], vec!["b.1"]));
    assert_eq!((a.settings.limits.workers, a.settings.kind, &a.command), (3, PoolKind::Exec, &words(&["./w", "--x"])));
    assert_eq!((a.settings.limits.grace, a.settings.limits.timeout), (secs(1), secs(3600)));
    let warnings: Vec<_> = loaded.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(warnings, ["`--queue`: the pools of `queue-work.toml` are not used"]);
}

#[test]
fn a_command_alone_makes_the_pool_default() {
    let flags = Flags { command: words(&["python3", "w.py"]), ..Flags::default() };
    let loaded = Case::new("[pools.mail]\n").flags(flags.clone()).load();
    let [pool] = &loaded.config.pools[..] else { panic!() };
    assert_eq!(
        (pool.settings.name.as_str(), queues(pool), pool.settings.kind),
        ("default", vec!["default"], PoolKind::Protocol)
    );
    assert_eq!(loaded.origins.get("pools.default.command"), "command line, after --");
    assert_eq!(loaded.warnings.len(), 1);
    let loaded = Case::empty().flags(Flags { opaque: true, ..flags }).load();
    let pool = &loaded.config.pools[0];
    assert_eq!((pool.settings.name.as_str(), queues(pool), pool.settings.kind), ("default", vec![], PoolKind::Opaque));
    assert_eq!(loaded.warnings, []);
}

#[test]
fn paths_in_a_file_are_relative_to_it_and_flags_to_where_one_stands() {
    let toml = "database = \"../var/q.db\"\nlog_dir = \"./out\"\n\
                [pools.a]\ncommand = [\"./bin/w\", \"./x\"]\ncwd = \"app\"\n[pools.b]\ncommand = [\"python3\", \"w.py\"]\n";
    let case = Case::empty().file("config/queue-work.toml", toml);
    let loaded = case.load();
    let folder = case.path("config");
    assert_eq!(loaded.config.file.unwrap().file, at(&folder, "queue-work.toml"));
    assert_eq!(loaded.config.database.name(), case.path("var/q.db"));
    assert_eq!(loaded.config.socket, case.path("var/q.db.sock"));
    assert_eq!(loaded.config.logs_dir, at(&folder, "out"));
    let [a, b] = &loaded.config.pools[..] else { panic!() };
    assert_eq!(a.cwd, Some(at(&folder, "app")));
    assert_eq!(a.command, [at(&folder, "bin/w").into_os_string(), "./x".into()]);
    assert_eq!((&b.command, &b.cwd), (&words(&["python3", "w.py"]), &None));
    let flags = Flags { socket: Some("s".into()), config: Some("config/queue-work.toml".into()), ..Flags::default() };
    let case = case.flags(flags);
    assert_eq!(case.load().config.socket, case.path("s"));
}

#[test]
fn the_file_here_is_found_before_the_one_in_the_folder_config() {
    let case =
        Case::new("log_files = 2").file("config/queue-work.toml", "log_files = 3").file("x.toml", "log_files = 4");
    assert_eq!(case.load().config.log_files, 2);
    let case = case.flags(Flags { config: Some("x.toml".into()), ..Flags::default() });
    assert_eq!(case.load().config.log_files, 4);
}

#[test]
fn the_database_is_in_the_state_folder_unless_that_is_relative() {
    let database = |case: Case| case.load().config.database.name().to_owned();
    assert_eq!(database(Case::empty().env("XDG_STATE_HOME", "/state")), Path::new("/state/queue-work/queue-work.db"));
    let home = Path::new("/home/me/.local/state/queue-work/queue-work.db");
    assert_eq!(database(Case::empty().env("XDG_STATE_HOME", "state")), home);
    assert_eq!(database(Case::empty().env("XDG_STATE_HOME", "")), home);
}

#[test]
fn a_database_is_a_path_or_a_url_in_a_file_a_flag_and_the_environment_alike() {
    let typed = |text: &str| Flags { database: Some(text.into()), ..Flags::default() };
    for (url, path) in [("sqlite:q.db", "q.db"), ("sqlite:/d/q.db", "/d/q.db"), ("sqlite:///d/q.db", "/d/q.db")] {
        let case = Case::new(&format!("database = \"{url}\""));
        assert_eq!(case.load().config.database.name(), case.path(path));
        let case = case.flags(typed(url)).env("QUEUE_WORK_DATABASE", url);
        assert_eq!(case.paths().unwrap().database.name(), case.path(path));
    }
    let refused = |url: &str, why: &str| {
        let in_file = Case::new(&format!("database = \"{url}\"")).errors();
        let in_flag = Case::empty().flags(typed(url)).errors();
        assert!(in_file[0].contains(&format!("`database`: {why}")), "{in_file:?}");
        assert!(in_flag[0].starts_with("`--database`") && in_flag[0].contains(why), "{in_flag:?}");
        assert_eq!((in_file.len(), in_flag.len()), (1, 1));
    };
    for url in ["postgres://u:secret@h/d", "postgresql://u@h/d?lease=5s"] {
        let (in_file, in_flag) = (Case::new(&format!("database = \"{url}\"")), Case::empty().flags(typed(url)));
        let known = in_file.load().config;
        assert_eq!(known.database.name().to_str(), Some(url.replace(":secret", "").as_str()));
        assert_eq!((known.database.file(), &known.database), (None, &in_flag.paths().unwrap().database));
        let kept = Path::new("/home/me/.local/state/queue-work");
        assert!(known.socket.starts_with(kept) && known.logs_dir.starts_with(kept), "{known:?}");
    }
    refused("mysql://h", "`mysql://` is no kind of store that is known");
    refused("sqlite://q.db", "`sqlite://q.db` names a host");
    let case = Case::empty().flags(typed("./sqlite:q.db"));
    assert_eq!(case.load().config.database.name(), case.path("sqlite:q.db"), "a file may have such a name");
}

#[test]
fn another_database_has_its_own_socket_and_output_folder() {
    let toml = "database = \"a.db\"\nsocket = \"a.socket\"\nlog_dir = \"a-logs\"\n";
    let other = Flags { database: Some("b.db".into()), ..Flags::default() };
    let case = Case::new(toml).flags(other.clone());
    let config = case.load().config;
    assert_eq!((config.database.name(), &*config.socket), (&*case.path("b.db"), &*case.path("b.db.sock")));
    assert_eq!(config.logs_dir, case.path("b.db.logs"));
    let case = Case::new("socket = \"a.socket\"\n").flags(other);
    assert_eq!(case.load().config.socket, case.path("a.socket"));
}

#[test]
fn an_inherited_socket_goes_with_its_own_database_and_with_no_other() {
    // Values of flags or the environment, and what a worker inherits beside them.
    let from_env = |fields: &[&str]| fields.iter().map(|f| (*f).to_owned()).collect();
    let database = |name: &str, fields: &[&str]| Flags {
        database: Some(name.into()),
        socket: Some("/m/s".into()),
        from_env: from_env(fields),
        ..Flags::default()
    };
    let (both, socket): (&[&str], &[&str]) = (&["database", "socket"], &["socket"]);
    let table = [
        // In a worker: its own master, whatever stands in the folder.
        (database("/m/q.db", both), Some("/m/q.db"), "/m/q.db", "/m/s"),
        (database("/m/q.db", socket), Some("/m/q.db"), "/m/q.db", "/m/s"),
        // Another database, on the command line or in a variable.
        (database("/i/q.db", socket), Some("/m/q.db"), "/i/q.db", "/i/q.db.sock"),
        (database("/i/q.db", both), Some("/m/q.db"), "/i/q.db", "/i/q.db.sock"),
        // Outside of workers the two variables go together, and a flag for one of them parts them.
        (database("/m/q.db", both), None, "/m/q.db", "/m/s"),
        (database("/i/q.db", socket), None, "/i/q.db", "/i/q.db.sock"),
        // A flag is a flag.
        (database("/i/q.db", &[]), Some("/m/q.db"), "/i/q.db", "/m/s"),
        (database("/i/q.db", &["database"]), Some("/m/q.db"), "/i/q.db", "/m/s"),
    ];
    for (flags, inherited, database, socket) in table {
        for toml in ["", "database = \"f.db\"\nsocket = \"f.sock\"\n"] {
            let mut case = Case::new(toml).flags(flags.clone());
            if let Some(of) = inherited {
                case = case.env(SOCKET_DATABASE, of);
            }
            let paths = case.paths().unwrap();
            let found = (paths.database.name(), &*paths.socket);
            assert_eq!(found, (Path::new(database), Path::new(socket)), "{flags:?} {inherited:?}");
        }
    }
}

#[test]
fn a_file_that_is_named_in_a_worker_brings_its_own_database_and_one_that_is_found_does_not() {
    let toml = "database = \"f.db\"\nsocket = \"f.sock\"\n";
    let found = Flags {
        database: Some("/m/q.db".into()),
        socket: Some("/m/s".into()),
        from_env: ["database".to_owned(), "socket".to_owned()].into(),
        ..Flags::default()
    };
    let named = Flags { config: Some("queue-work.toml".into()), ..found.clone() };
    let of = |flags: Flags, inherited: &str| {
        let case = Case::new(toml).flags(flags).env(SOCKET_DATABASE, inherited);
        let paths = case.paths().unwrap();
        let shown = |p: &Path| p.strip_prefix(case.folder.path()).unwrap_or(p).to_owned();
        [paths.database.name(), &paths.socket].map(shown)
    };
    assert_eq!(of(found, "/m/q.db"), ["/m/q.db", "/m/s"].map(PathBuf::from));
    assert_eq!(of(named.clone(), "/m/q.db"), ["f.db", "f.sock"].map(PathBuf::from));
    // A variable that somebody set is no inheritance.
    assert_eq!(of(named, "/other/q.db"), ["/m/q.db", "/m/q.db.sock"].map(PathBuf::from));
}

#[test]
fn the_database_of_an_inherited_socket_is_recognised_under_another_name_also_while_it_is_still_to_be_made() {
    for database in ["real/q.db", "real/new.db"] {
        for [own, inherited] in [
            [database.replace("real", "link"), database.to_owned()],
            [database.to_owned(), database.replace("real", "link")],
        ] {
            let case = Case::empty().file("real/q.db", "");
            std::os::unix::fs::symlink(case.path("real"), case.path("link")).unwrap();
            let flags = Flags {
                database: Some(own.into()),
                socket: Some("/m/s".into()),
                from_env: ["socket".to_owned()].into(),
                ..Flags::default()
            };
            let inherited = case.path(&inherited).to_str().unwrap().to_owned();
            let paths = case.flags(flags).env(SOCKET_DATABASE, &inherited).paths().unwrap();
            assert_eq!(paths.socket, Path::new("/m/s"));
        }
    }
}

#[test]
fn paths_alone_are_those_of_the_whole_configuration() {
    for toml in
        ["", "network_fs = \"allow\"\n", "database = \"x/q.db\"\n", "socket = \"s\"\nlog_dir = \"l\"\n[pools.a]\n"]
    {
        let database = [None, Some(PathBuf::from("d.db"))];
        for flags in database.map(|database| Flags { database, ..Flags::default() }) {
            let case = Case::new(toml).flags(flags);
            let (paths, config) = (case.paths().unwrap(), case.load().config);
            let Config { database, socket, logs_dir, network_fs, shared_folder, makes_folder, .. } = config;
            let whole = Paths { database, socket, logs_dir, network_fs, shared_folder, makes_folder };
            assert_eq!(paths, whole);
        }
    }
}

#[test]
fn paths_alone_mind_every_mistake_of_the_file() {
    for toml in ["wrokers = 3\n[pools.a]\nworkers = \"many\"\n", "[pools.a]\nkind = \"opaque\"\n", "database = \n"] {
        let case = Case::new(toml);
        assert_eq!(case.paths().unwrap_err(), case.try_load().unwrap_err());
    }
}

#[test]
fn the_nearest_file_above_is_found_and_named_in_full_as_far_as_the_home() {
    let case = Case::new("log_files = 2").file("a/config/queue-work.toml", "database = \"q.db\"").file("a/b/c/x", "");
    let case = case.env("HOME", &Case::empty().path("").display().to_string());
    let from = |folder: &str, case: &Case| {
        Config::load(&Flags::default(), &case.environment(), Some(&case.path(folder))).unwrap()
    };
    let above = from("a/b/c", &case);
    assert_eq!(above.config.database.name(), case.path("a/config/q.db"));
    let file = case.path("a/config/queue-work.toml");
    assert_eq!(above.origins.get("database"), format!("file {}:1", file.display()));
    std::fs::remove_file(file).unwrap();
    assert_eq!(from("a/b/c", &case).config.log_files, 2);
    let home = case.path("a").display().to_string();
    assert_eq!(from("a/b/c", &case.env("HOME", &home)).config.log_files, 5);
}

#[test]
fn variables_of_workers_keep_their_case_and_their_dots() {
    let loaded = Case::new("[pools.a]\nenv = { DB = \"x\", db = \"y\", \"a.b\" = \"\" }\n").load();
    let expected = [("DB", "x"), ("a.b", ""), ("db", "y")].map(|(name, value)| (name.into(), value.into()));
    assert_eq!(loaded.config.pools[0].env, expected);
}

#[test]
fn a_pool_may_be_named_with_any_character_of_a_name() {
    let loaded = Case::new("[pools.\"mail.high:1\"]\nworkers = 1\n[pools.\"Über\"]\n[pools.\"über\"]\n").load();
    let names: Vec<_> = loaded.config.pools.iter().map(|pool| pool.settings.name.as_str()).collect();
    assert_eq!(names, ["mail.high:1", "Über", "über"]);
    assert_eq!(loaded.config.pools[0].settings.limits.workers, 1);
}

#[test]
fn a_file_system_of_the_network_is_allowed_by_the_file_or_by_the_flag() {
    assert!(!Case::empty().load().config.network_fs);
    assert!(Case::new("network_fs = \"allow\"\n").load().config.network_fs);
    let flags = Flags { allow_network_fs: true, ..Flags::default() };
    let case = Case::new("network_fs = \"refuse\"\n").flags(flags);
    assert!(case.load().config.network_fs && case.paths().unwrap().network_fs);
    let origin = case.load().origins.get("network_fs").to_owned();
    assert_eq!(origin, "flag --allow-network-fs");
    let wrong = Case::new("network_fs = \"maybe\"\n");
    assert!(wrong.paths().is_err(), "who only needs the paths must know it too");
}
