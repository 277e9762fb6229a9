//! Services: what is said of them, and what contradicts it.

use super::*;
use crate::model::service::{Circuit, Framing, ServiceSettings, StickyKey, Strategy};

const BEGIN: &str = "[pools.calc]\nkind = \"service\"\ncommand = [\"calc\"]\n";

fn service(lines: &str) -> ServiceConfig {
    let pool = Case::new(&format!("{BEGIN}{lines}")).load().config.pools.remove(0);
    pool.service.expect("the kind says so")
}

/// The problems of a service with these lines, from the place on.
fn problems(lines: &str) -> Vec<String> {
    let errors = Case::new(&format!("{BEGIN}{lines}")).errors();
    errors.iter().map(|error| error.trim_start_matches("queue-work.toml:").to_owned()).collect()
}

#[test]
fn a_service_that_says_nothing_has_the_defaults_of_a_service() {
    let case = Case::new(&format!("[defaults]\ntimeout = \"3h\"\n{BEGIN}"));
    let pool = case.load().config.pools.remove(0);
    assert_eq!((pool.settings.kind, queues(&pool)), (PoolKind::Service, vec![]));
    assert_eq!((pool.settings.ready, pool.settings.limits.timeout), (ReadyWhen::Message, secs(30)));
    let ServiceConfig { settings, listen, framing, socket_mode, .. } = pool.service.unwrap();
    assert_eq!(settings, ServiceSettings::default());
    assert_eq!((listen, framing, socket_mode), (vec![], Framing::Auto, 0o600));
}

#[test]
fn everything_can_be_said() {
    let lines = "listen = [\"unix:run/c.sock\", \"tcp:9501\", \"http:localhost:9502\"]\nframing = \"lines\"\n\
                 socket_mode = \"0660\"\nsticky = \"/user\"\nmax_queue = 7\nmax_queue_time = \"2s\"\ntimeout = \"3s\"\n\
                 init = { host = \"h\", port = 5 }\nversion = \"1.0.0\"\nconcurrency = 4\nraw_idle = \"1s\"\n\
                 [pools.calc.circuit]\nfailures = 9\n";
    let case = Case::new(&format!("{BEGIN}{lines}"));
    let loaded = case.load();
    let ServiceConfig { settings, listen, framing, socket_mode, .. } = loaded.config.pools[0].service.clone().unwrap();
    let of_unix = format!("unix:{}", case.path("run/c.sock").display());
    let listen: Vec<String> = listen.iter().map(ToString::to_string).collect();
    assert_eq!(listen, [&*of_unix, "tcp:127.0.0.1:9501", "http:127.0.0.1:9502"]);
    assert_eq!((framing, socket_mode), (Framing::Lines, 0o660));
    assert_eq!((settings.strategy, settings.sticky), (Strategy::Sticky, StickyKey::Pointer("/user".to_owned())));
    assert_eq!((settings.max_queue, settings.max_queue_time, settings.timeout), (7, secs(2), secs(3)));
    assert_eq!(settings.circuit, Some(Circuit { failures: 9, open: secs(10), probes: 1 }));
    assert_eq!(settings.init, Some(serde_json::json!({"host": "h", "port": 5})));
    assert_eq!((settings.version.as_deref(), settings.concurrency, settings.raw_idle), (Some("1.0.0"), 4, secs(1)));
    let shown = show(&loaded);
    let line = |key: &str| {
        let line = shown.iter().find(|line| line.key == format!("pools.calc.{key}")).unwrap();
        (line.value.as_str(), line.origin.as_str())
    };
    assert_eq!(line("circuit.failures"), ("9", "file queue-work.toml:16"));
    assert_eq!(line("circuit.open"), ("10s", "default"));
    assert_eq!(line("init"), ("(set)", "file queue-work.toml:11"));
    assert_eq!(line("strategy"), ("sticky", "default"));
    assert_eq!(line("framing"), ("lines", "file queue-work.toml:5"));
}

#[test]
fn strategies_have_the_names_that_they_have_elsewhere_too() {
    let table = [
        ("least-connections", Strategy::LeastLoaded),
        ("weighted-round-robin", Strategy::LeastLoaded),
        ("round-robin", Strategy::RoundRobin),
        ("power-of-two", Strategy::TwoChoices),
        ("adaptive", Strategy::Fastest),
        ("ip-hash", Strategy::Sticky),
    ];
    for (name, strategy) in table {
        assert_eq!(service(&format!("strategy = \"{name}\"\n")).settings.strategy, strategy);
    }
}

#[test]
fn a_key_has_a_variable() {
    let case = Case::new(BEGIN)
        .env("QUEUE_WORK_POOLS_CALC_LISTEN", "unix:c.sock")
        .env("QUEUE_WORK_POOLS_CALC_CIRCUIT", "{ open = \"1s\" }")
        .env("QUEUE_WORK_POOLS_CALC_TIMEOUT", "9s");
    let service = case.load().config.pools.remove(0).service.unwrap();
    assert_eq!(service.listen[0].to_string(), format!("unix:{}", case.path("c.sock").display()));
    assert_eq!(service.settings.circuit, Some(Circuit { failures: 5, open: secs(1), probes: 1 }));
    assert_eq!(service.settings.timeout, secs(9));
}

#[test]
fn wrong_values_are_refused_at_their_place() {
    let long = "x".repeat(120);
    let too_long = format!("listen = \"unix:/{long}\"");
    let too_long_message = format!("4:1: `listen`: `/{long}` has 121 bytes, a socket's path may have 103");
    let table = [
        (
            "listen = 1",
            "4:10: `listen` is 1; write an address in quotes, such as \"unix:calc.sock\", or a list of them",
        ),
        ("listen = [\"tcp:x:1\"]", "4:11: `listen`: `x` is no IP address; write `tcp:127.0.0.1:9501`"),
        (&too_long, &too_long_message),
        (
            "socket_mode = \"0700\"",
            "4:15: `socket_mode`: `0700` is no mode of a socket; write \"0600\", \"0660\" or \"0666\"",
        ),
        (
            "strategy = \"best\"",
            "4:12: `strategy`: there is no strategy `best`; use `least-loaded`, `round-robin`, `random`, `two-choices`, \
             `fastest` or `sticky`",
        ),
        (
            "sticky = \"user\"",
            "4:10: `sticky`: `user` is no key; write \"peer\", or where it is in a request, such as \"/parameters/user\"",
        ),
        (
            "circuit = 3",
            "4:11: `circuit` is 3; it must be \"off\", or a table such as { failures = 5, open = \"10s\", probes = 1 }",
        ),
        ("circuit = { failures = 0 }", "4:24: `failures` is 0; the least is 1"),
        ("concurrency = 0", "4:15: `concurrency` is 0; the least is 1"),
        ("queues = [\"a\"]", "4:1: a service answers calls and serves no queue; leave out `queues`"),
        ("protocol_fd = 3", "4:1: `protocol_fd` is only for workers of kind \"protocol\", and this one is \"service\""),
        ("strategy = \"random\"\nsticky = \"peer\"", "5:1: `sticky` goes with `strategy = \"sticky\"` only"),
        (
            "ready = \"spawned\"\ninit = 1",
            "4:1: a worker with `init` is ready when it has answered that; leave out `ready`",
        ),
        ("needs = [\"a\"]", "4:1: `needs` names `a`, and there is no such pool; the pools are `calc`"),
    ];
    for (lines, message) in table {
        assert_eq!(problems(lines), [message]);
    }
}

#[test]
fn two_services_cannot_have_one_address_nor_other_pools_any() {
    let two = "listen = \"tcp:1\"\n[pools.other]\nkind = \"service\"\ncommand = [\"w\"]\nlisten = \"http:1\"\n";
    assert_eq!(problems(two), ["8:1: `listen`: http:127.0.0.1:1 stands in `pools.calc` already"]);
    let errors = Case::new("[pools.a]\ncommand = [\"w\"]\nlisten = \"tcp:1\"\n").errors();
    let message = "`listen` is only for a pool of kind \"service\", and this one is \"protocol\"";
    assert_eq!(errors, [format!("queue-work.toml:3:1: {message}")]);
}

#[test]
fn limits_of_jobs_have_no_effect_on_a_service_but_those_that_mean_calls() {
    let lines = "max_jobs = 3\ntimeout = \"1m\"\nmax_attempts = 2\n";
    let loaded = Case::new(&format!("{BEGIN}{lines}")).load();
    let warnings: Vec<_> = loaded.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(warnings, ["queue-work.toml:6:1: `max_attempts` has no effect on a service, which gets no jobs"]);
}
