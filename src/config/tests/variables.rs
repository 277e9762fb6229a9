//! Values of the environment: in the texts of a file, and for one key of one pool.

use super::*;

#[test]
fn every_text_may_hold_variables_also_where_a_number_is_wanted() {
    let toml = "database = \"${DIR}/${NAME:-q}.db\"\nlog_files = \"${FILES}\"\nlog_file_size = \"${SIZE:-2M}\"\n\
                [defaults]\nworkers = \"${N:-cpus}\"\ntimeout = \"${T}\"\nmemory_max = \"${NONE:-off}\"\n\
                [pools.mail]\nqueues = { high = \"${W:-3}\", low = 1 }\nworkers = \"${MAIL_WORKERS:-4}\"\n\
                command = [\"${PY:-python3}\", \"w.py\", \"--token=${TOKEN}\", \"$${TOKEN}\"]\n\
                env = { KEY = \"${TOKEN}\" }\nprotocol_fd = \"${FD:-3}\"\n";
    let variables = [("DIR", "data"), ("FILES", "7"), ("T", "5m"), ("TOKEN", "s3 cret"), ("W", "5")];
    let case = variables.into_iter().fold(Case::new(toml), |case, (name, value)| case.env(name, value));
    let loaded = case.load();
    let config = &loaded.config;
    assert_eq!(config.database.name(), case.path("data/q.db"));
    assert_eq!((config.log_files, config.log_file_bytes), (7, 2 << 20));
    assert_eq!((config.defaults.timeout, config.defaults.memory_max), (secs(300), None));
    let pool = &config.pools[0];
    assert_eq!(pool.command, words(&["python3", "w.py", "--token=s3 cret", "${TOKEN}"]));
    assert_eq!((pool.settings.limits.workers, pool.protocol_fd), (4, Some(3)));
    assert_eq!(pool.env, [("KEY".into(), "s3 cret".into())]);
    let shown = show(&loaded);
    let line = |key: &str| {
        let line = shown.iter().find(|line| line.key == key).unwrap_or_else(|| panic!("no {key}"));
        (line.value.as_str(), line.origin.as_str())
    };
    assert_eq!(line("log_files"), ("7", "file queue-work.toml:2, environment FILES"));
    assert_eq!(line("database").1, "file queue-work.toml:1, environment DIR, NAME not set");
    assert_eq!(line("pools.mail.workers"), ("4", "file queue-work.toml:10, MAIL_WORKERS not set"));
    assert_eq!(line("pools.mail.queues"), ("high = 5, low = 1", "file queue-work.toml:9, environment W"));
    assert_eq!(line("pools.mail.command").0, "${PY:-python3} w.py --token=${TOKEN} $${TOKEN}");
    assert_eq!(line("pools.mail.env.KEY"), ("(set)", "file queue-work.toml:12, environment TOKEN"));
    assert!(!format!("{shown:?}").contains("s3 cret"));
}

#[test]
fn a_variable_without_a_value_is_refused_at_its_place_and_a_wrong_value_with_its_name() {
    let toml = "log_dir = \"logs/${NONE}\"\nlog_files = \"${FILES}\"\n[pools.mail]\nworkers = \"4\"\n\
                command = [\"w\", \"${1}\"]\nqueues = [\"${Q\"]\nenv = { K = \"\\u0024{NONE}\" }\n";
    let errors = Case::new(toml).env("FILES", "many").errors();
    let expected = [
        "queue-work.toml:1:17: the variable `NONE` is not set; set it, or write `${NONE:-…}` with a default, or `$${NONE}` \
         for this text itself",
        "queue-work.toml:2:13: `log_files` is \"many\"; it must be a whole number (from the environment: `FILES`)",
        "queue-work.toml:4:11: `workers` is \"4\"; it must be a whole number, or \"cpus\"",
        "queue-work.toml:5:18: `${1}` is no variable; write `${NAME}` or `${NAME:-default}`, or `$${` for the text `${`",
        "queue-work.toml:6:12: `${Q` is no variable; write `${NAME}` or `${NAME:-default}`, or `$${` for the text `${`",
        "queue-work.toml:7:13: the variable `NONE` is not set; set it, or write `${NONE:-…}` with a default, or `$${NONE}` \
         for this text itself",
    ];
    assert_eq!(errors, expected);
    // Whoever only needs the database needs those of the database only.
    let pool = Case::new("[pools.mail]\ncommand = [\"${NONE}\"]\n[defaults]\ngrace = \"${NONE}\"\n");
    assert!(pool.paths().is_ok() && pool.errors().len() == 2);
    assert!(Case::new("database = \"${NONE}\"\n").paths().is_err());
}

#[test]
fn a_script_of_a_shell_is_left_to_the_shell_and_no_value_is_taken_apart() {
    let toml = "[pools.a]\nkind = \"exec\"\ncommand = [\"/bin/bash\", \"-ec\", \"echo ${X} ${Y:-z}; run\", \"${X}\"]\n\
                [pools.b]\ncommand = [\"env\", \"sh\", \"-c\", \"$${X}${X}\"]\n[pools.c]\ncommand = [\"gcc\", \"-c\", \"${X}\"]\n";
    let loaded = Case::new(toml).env("X", "$(id) ${X} a b").load();
    let commands: Vec<_> = loaded.config.pools.iter().map(|pool| pool.command.clone()).collect();
    let expected: [&[&str]; 3] = [
        &["/bin/bash", "-ec", "echo ${X} ${Y:-z}; run", "$(id) ${X} a b"],
        &["env", "sh", "-c", "$${X}${X}"],
        &["gcc", "-c", "$(id) ${X} a b"],
    ];
    assert_eq!(commands, expected.map(words));
}

#[test]
fn every_key_of_one_pool_has_a_variable_which_goes_over_the_file_and_the_general_one_and_under_flags() {
    let toml = "[pools.mail]\nworkers = 1\ncommand = [\"./w\"]\ngrace = \"1s\"\n[pools.\"web-x.y\"]\nworkers = 2\n";
    let of_pool = |key: &str| format!("QUEUE_WORK_POOLS_MAIL_{key}");
    let mut case = Case::new(toml).env("QUEUE_WORK_POOLS_WEB_X_Y_WORKERS", "0");
    for (key, value) in [
        ("WORKERS", "8"),
        ("GRACE", "2s"),
        ("TIMEOUT", "3m"),
        ("MAX_JOBS", "off"),
        ("MEMORY", "+64M"),
        ("QUEUES", "high, mail"),
        ("COMMAND", "[\"./x\", \"${A} b\"]"),
        ("CWD", "app"),
        ("ENV", "{ A = \"b\" }"),
        ("READY", "message"),
        ("PROTOCOL_FD", "4"),
        ("KIND", "protocol"),
    ] {
        case = case.env(&of_pool(key), value);
    }
    let flags = Flags {
        limits: limits(&[("workers", "5"), ("grace", "9s"), ("backoff", "4s")]),
        from_env: ["workers".to_owned(), "backoff".to_owned()].into(),
        ..Flags::default()
    };
    let case = case.flags(flags);
    let loaded = case.load();
    let [mail, web] = &loaded.config.pools[..] else { panic!() };
    assert_eq!((mail.settings.limits.workers, web.settings.limits.workers), (8, 0));
    assert_eq!((mail.settings.limits.grace, web.settings.limits.grace), (secs(9), secs(9)));
    assert_eq!((mail.settings.limits.timeout, mail.settings.limits.backoff), (secs(180), secs(4)));
    assert_eq!(queues(mail), ["high", "mail"]);
    assert_eq!(mail.command, [case.path("x").into_os_string(), "${A} b".into()]);
    assert_eq!((mail.cwd.clone(), mail.protocol_fd), (Some(case.path("app")), Some(4)));
    assert_eq!(mail.env, [("A".into(), "b".into())]);
    let of = |key: &str| loaded.origins.get(key).to_owned();
    assert_eq!(of("pools.mail.workers"), "environment QUEUE_WORK_POOLS_MAIL_WORKERS");
    assert_eq!(of("pools.mail.command"), "environment QUEUE_WORK_POOLS_MAIL_COMMAND");
    assert_eq!(
        (of("pools.mail.grace"), of("pools.mail.backoff")),
        ("flag --grace".into(), "environment QUEUE_WORK_BACKOFF".into())
    );
    assert_eq!(of("defaults.workers"), "environment QUEUE_WORK_WORKERS");
    let weighted = Case::new(toml).env(&of_pool("QUEUES"), "high=3,mail=1").load();
    assert_eq!(
        weighted.config.pools[0].settings.queues,
        crate::model::QueueOrder::Weighted(
            [("high", 3), ("mail", 1)]
                .map(|(name, weight)| (crate::model::QueueName::new(name).unwrap(), weight))
                .into()
        )
    );
}

#[test]
fn a_variable_of_a_pool_that_is_unknown_ambiguous_or_wrong_is_named() {
    let toml = "[pools.a-b]\n[pools.\"a.b\"]\n[pools.mail]\n";
    let variables = [
        ("A_B_WORKERS", "3"),
        ("MAIL_WOKERS", "3"),
        ("NEWS_WORKERS", "3"),
        ("MAIL_WORKERS", "many"),
        ("MAIL_COMMAND", "python3 w.py"),
        ("MAIL_QUEUES", "a/b"),
        ("MAIL_ENV", "{ A = "),
        ("MAIL_MEMORY", "1K"),
    ];
    let case = variables
        .into_iter()
        .fold(Case::new(toml), |case, (name, value)| case.env(&format!("QUEUE_WORK_POOLS_{name}"), value));
    let errors = case.errors();
    let expected = [
        ("A_B_WORKERS", "it may mean `workers` of `a-b` or `workers` of `a.b`; write the value in the file"),
        ("MAIL_COMMAND", "no shell reads it, so write an array: [\"python3\", \"w.py\"]"),
        ("MAIL_ENV", "not a value as in the file"),
        ("MAIL_MEMORY", "it is 1K; the least is 1M"),
        ("MAIL_QUEUES", "contains '/'"),
        ("MAIL_WOKERS", "no pool has such a key; did you mean `QUEUE_WORK_POOLS_MAIL_WORKERS`?"),
        ("MAIL_WORKERS", "it is \"many\"; it must be a whole number, or \"cpus\""),
        ("NEWS_WORKERS", "the pools are `a-b`, `a.b`, `mail`"),
    ];
    assert_eq!(errors.len(), expected.len(), "{errors:#?}");
    for (error, (name, part)) in errors.iter().zip(expected) {
        assert!(error.starts_with(&format!("`QUEUE_WORK_POOLS_{name}`: ")) && error.contains(part), "{error}");
    }
    // They are none of the business of a verb that only needs the database.
    assert!(case.paths().is_ok());
}

#[test]
fn a_variable_may_mean_a_pool_of_the_command_line_and_one_of_the_file_that_is_not_used_is_no_mistake() {
    let flags = Flags { queue: vec!["news".to_owned()], ..Flags::default() };
    let case = Case::new("[pools.mail]\n").flags(flags);
    let case = case.env("QUEUE_WORK_POOLS_NEWS_WORKERS", "3").env("QUEUE_WORK_POOLS_MAIL_WORKERS", "4");
    let loaded = case.load();
    assert_eq!(loaded.config.pools[0].settings.limits.workers, 3);
    let case = Case::empty().env("QUEUE_WORK_POOLS_DEFAULT_WORKERS", "3");
    assert_eq!(case.load().config.pools[0].settings.limits.workers, 3);
}
