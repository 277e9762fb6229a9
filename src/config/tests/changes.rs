//! The steps of a reload, from two readings of a file.

use super::*;
use crate::model::reload::{FileChange, FilePart};

fn worded(changes: &[FileChange]) -> Vec<String> {
    let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
    let line = |change: &FileChange| {
        let FileChange { kind, name, key, was, now, how } = change;
        let name = [name.as_deref(), key.as_deref()].into_iter().flatten().collect::<Vec<_>>().join(" ");
        format!("{} {name}: {} => {} {how:?}", kind.as_str(), value(was), value(now))
    };
    changes.iter().map(line).collect()
}

/// Changes from one file to the other, by the same flags and environment.
fn between(was: &str, now: &str) -> Vec<String> {
    let case = Case::new(was).env("KEY", "one");
    let before = case.load();
    worded(&changes(&before, &case.file("queue-work.toml", now).env("KEY", "two").load()))
}

#[test]
fn counts_and_limits_change_at_once_and_what_a_worker_is_started_with_by_new_workers() {
    let was = "[defaults]\nworkers = 1\n[pools.mail]\nworkers = 4\ncommand = [\"a\"]\n[pools.old]\n";
    let now = "[defaults]\nworkers = 1\n[pools.mail]\nworkers = 6\ncommand = [\"b\"]\ntimeout = \"2h\"\ncwd = \"/x\"\n\
               env = { A = \"1\" }\n[pools.ocr]\nworkers = 2\n";
    let expected = [
        "pools mail command: a => b Rolling",
        "pools mail cwd: - => /x Rolling",
        "pools mail env.A: - => (set) Rolling",
        "pools mail workers: 4 => 6 Now",
        "pools mail timeout: 1h => 2h Now",
        "pools ocr: - => 2 workers Now",
        "pools old: 1 worker => - Now",
    ];
    assert_eq!(between(was, now), expected);
    assert!(between(now, now).is_empty());
}

#[test]
fn queues_change_at_once_unless_the_workers_are_new_too() {
    let was = "[pools.mail]\nworkers = 1\nqueues = [\"a\"]\ncommand = [\"a\"]\n";
    assert_eq!(between(was, &was.replace("\"a\"]\nc", "\"b\"]\nc")), ["pools mail queues: a => b Now"]);
    let both = between(was, &was.replace('a', "b").replace("mbil", "mail").replace("commbnd", "command"));
    assert_eq!(both, ["pools mail queues: a => b Rolling", "pools mail command: a => b Rolling"]);
    let built_in = "[pools.x]\nworkers = 1\nkill_after = \"1s\"\n";
    assert_eq!(between(built_in, &built_in.replace("1s", "2s")), ["pools x kill_after: 1s => 2s Rolling"]);
}

#[test]
fn a_secret_that_is_another_is_a_change_and_is_not_shown() {
    let file = "[pools.mail]\nworkers = 1\ncommand = [\"w\", \"${KEY}\"]\nenv = { KEY = \"${KEY}\", B = \"b\" }\n";
    let expected = ["pools mail command: w ${KEY} => w ${KEY} Rolling", "pools mail env.KEY: (set) => (set) Rolling"];
    assert_eq!(between(file, file), expected);
}

#[test]
fn processors_are_new_gone_or_changed_key_by_key() {
    let was = "[pools.x]\nworkers = 1\n[processors.mails]\nevery = \"5s\"\ncommand = [\"a\"]\nenv = { KEY = \"${KEY}\" }\n\
               [processors.old]\n[processors.z]\ncron = \"@daily\"\ntimezone = \"UTC\"\nqueue = \"x\"\ntype = \"t\"\n";
    let now = was.replace("5s", "10s").replace("old", "ocr").replace("@daily", "@hourly");
    let expected = [
        "processors mails every: 5s => 10s Now",
        "processors mails env.KEY: (set) => (set) Now",
        "processors ocr: - => none Now",
        "processors z cron: @daily => @hourly Now",
        "processors old: none => - Now",
    ];
    assert_eq!(between(was, &now), expected);
    let without = "[pools.x]\nworkers = 1\n";
    let expected = [
        "pools processors: 1 worker => - Now",
        "processors mails: every 5s => - Now",
        "processors old: none => - Now",
        "processors z: @daily (UTC) => - Now",
    ];
    assert_eq!(between(was, without), expected);
}

#[test]
fn options_change_at_once_or_are_named_until_another_master_is_there() {
    let now = "durability = \"process\"\nlog_file_size = \"10485761\"\n[keep]\ndead = \"1d\"\n[signals]\nhup = \"reload\"\n\
               [defaults]\nmemory = \"+134217729\"\n[pools.default]\nmemory = \"+128M\"\n";
    let expected = [
        "options durability: full => process RestartMaster",
        "options log_file_size: 10M => 10M Now",
        "options keep.dead: 30d => 1d Now",
        "options signals.hup: stop => reload Now",
        "options defaults.memory: +128M => +128M Now",
    ];
    assert_eq!(between("", now), expected);
    let case = Case::new("");
    let mut in_force = case.load();
    let case = case.file("queue-work.toml", now);
    put_in_force(&mut in_force, case.load());
    assert_eq!(worded(&changes(&in_force, &case.load())), expected[..1]);
    assert!(in_force.config.hup_reloads && in_force.config.durability == Durability::Full);
}

#[test]
fn values_of_the_command_line_stay_whatever_the_file_says() {
    let flags = Flags { queue: vec!["a".into()], limits: limits(&[("workers", "3")]), ..Flags::default() };
    let case = Case::new("[pools.mail]\nworkers = 4\n").flags(flags);
    let before = case.load();
    let after =
        case.file("queue-work.toml", "[defaults]\nworkers = 9\ngrace = \"1s\"\n[pools.mail]\nworkers = 8\n").load();
    assert_eq!(
        worded(&changes(&before, &after)),
        ["pools a grace: 30s => 1s Now", "options defaults.grace: 30s => 1s Now"]
    );
}

#[test]
fn the_same_file_is_read_again_and_no_other() {
    let case = Case::empty().file("a/queue-work.toml", "[pools.x]\n");
    let inputs = |cwd: &str| Inputs { env: case.environment(), cwd: Some(case.path(cwd)), ..Inputs::default() };
    std::fs::create_dir(case.path("a/b")).unwrap();
    let read = inputs("a/b").load().unwrap().config.file.unwrap();
    let again = || inputs("a/b").load_again(&read).map_err(|errors| errors.to_string());
    std::fs::write(case.path("a/b/queue-work.toml"), "[pools.y]\n").unwrap();
    assert_eq!(again().unwrap().config.pools[0].settings.name.as_str(), "x");
    let path = case.path("a/queue-work.toml");
    std::fs::write(&path, "[pools.x]\nworkers = -1\n[keep]\ndead = 1\n").unwrap();
    let problems = again().unwrap_err();
    assert!(problems.starts_with(&format!("{}:2:11: ", path.display())) && problems.lines().count() == 2, "{problems}");
    std::fs::remove_file(&path).unwrap();
    assert!(again().unwrap_err().contains("cannot be read: No such file"), "{:?}", again());
    std::fs::create_dir(&path).unwrap();
    assert!(again().unwrap_err().ends_with("it is no regular file, so it cannot be read again"), "{:?}", again());
}

#[test]
fn a_part_of_the_configuration_has_its_word() {
    for part in [FilePart::Pools, FilePart::Processors, FilePart::Options] {
        assert_eq!(serde_json::to_string(&part).unwrap(), format!("{:?}", part.as_str()));
    }
}
