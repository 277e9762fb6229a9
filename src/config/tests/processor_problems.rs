//! Mistakes in a processor, refused with words and places.

use super::processors::processor;
use super::*;
use crate::model::processor::Timing;

/// Each row: the lines of a processor, and its problems from the line on, in the order of the file.
#[track_caller]
fn refused(rows: &[(&str, &[&str])]) {
    for (lines, expected) in rows {
        let errors = Case::new(&format!("[processors.a]\n{lines}\n")).errors();
        let errors: Vec<_> = errors.iter().map(|error| error.trim_start_matches("queue-work.toml:")).collect();
        assert_eq!(errors, *expected, "{lines}");
    }
}

#[test]
fn a_schedule_that_cannot_be_is_refused_at_its_place() {
    let list = "write an expression in quotes, such as \"30 2 * * *\", or a list of them";
    let least =
        "the least is 100ms, or \"0s\" with a `sleep` of at least 100ms, for a run as soon as the one before is over";
    let command = |lines: &str| format!("command = [\"c\"]\n{lines}");
    for (lines, expected) in [
        ("every = \"1s\"\ncron = \"@daily\"", "4:1: `cron` and `every` exclude one another; leave one of them out"),
        ("every = \"1ms\"", &format!("3:1: `every` is 1ms; {least}")),
        ("every = \"0s\"", &format!("3:1: `every` is 0s; {least}")),
        ("every = \"0s\"\nsleep = \"50ms\"", &format!("3:1: `every` is 0s; {least}")),
        (
            "every = \"0s\"\nsleep = \"1s\"\nevery_from = \"start\"",
            "3:1: `every` is 0s; the least is 100ms where it counts from the start",
        ),
        ("cron = \"0 0 31 2 *\"", "3:8: `cron`: `0 0 31 2 *` never comes; is there such a day in that month?"),
        (
            "cron = [\"@daily\", \"0 0 0 1 1 * 2026\"]",
            "3:19: `cron`: `0 0 0 1 1 * 2026` has 7 fields; write five (minute hour day month weekday), or six with the \
             second first",
        ),
        ("cron = 5", &format!("3:8: `cron` is 5; {list}")),
        ("cron = []", &format!("3:8: `cron` is a list; {list}")),
        (
            "cron = \"@daily\"\ntimezone = \"Europe/Berln\"",
            "4:12: `timezone`: there is no time zone `Europe/Berln`; did you mean `Europe/Berlin`?",
        ),
        ("timezone = \"UTC\"", "3:1: `timezone` means nothing without `cron`; write `cron`, too, or leave it out"),
        (
            "every_from = \"end\"",
            "3:1: `every_from` means nothing without `every`; write `every`, too, or leave it out",
        ),
    ] {
        refused(&[(&command(lines), &[expected])]);
    }
    let least = processor("[processors.a]\ncommand = [\"c\"]\nevery = \"100ms\"");
    assert_eq!(least.timing, Timing::Every(Duration::from_millis(100)));
}

#[test]
fn a_processor_without_a_job_or_with_two_is_refused_at_its_place() {
    let nothing =
        "has nothing to run; write `command`, or `queue` and `type`, or leave it out where runs begin elsewhere";
    refused(&[
        (
            "every = 5",
            &[&format!("2:1: `every` {nothing}"), "2:9: `every`: `5` has no unit; write `10s`, `5m` or `2h`"],
        ),
        ("cron = \"@daily\"", &[&format!("2:1: `cron` {nothing}")]),
        ("run_at_start = true", &[&format!("2:1: `run_at_start` {nothing}")]),
        (
            "type = \"exec\"\nqueue = \"q\"",
            &["2:8: `type`: a job of type `exec` is a command; write `command` instead"],
        ),
        ("type = \"t\"", &["2:1: `type` means nothing without `queue`; write `queue`, too, or leave it out"]),
        ("queue = \"q\"", &["2:1: `queue` means nothing without `type`; write `type`, too, or leave it out"]),
        (
            "command = [\"c\"]\nqueue = \"q\"\ntype = \"t\"",
            &[
                "3:1: `queue` and `command` exclude one another; leave one of them out",
                "4:1: `type` and `command` exclude one another; leave one of them out",
            ],
        ),
        (
            "queue = \"q\"\ntype = \"t\"\nmax_time = \"1m\"",
            &[
                "4:1: `max_time` is the age of workers, which a job of a queue shares; write it in the pool that serves the \
               queue",
            ],
        ),
        ("env = { A = \"b\" }", &["2:1: `env` means nothing without `command`; write `command`, too, or leave it out"]),
    ]);
}

#[test]
fn a_value_of_a_processor_that_cannot_be_is_refused_at_its_place() {
    refused(&[
        (
            "queue = \"a/b\"\ntype = \"t\"",
            &["2:9: `queue`: the queue name \"a/b\" contains '/'; use letters, digits, `.`, `_`, `-` and `:`"],
        ),
        ("enabled = \"yes\"", &["2:11: `enabled` is \"yes\"; it must be true or false"]),
        ("priority = 101", &["2:12: `priority` is 101; the most is 100"]),
        ("priority = -101", &["2:12: `priority` is -101; the least is -100"]),
        (
            "overlap = \"wait\"",
            &["2:11: `overlap` is \"wait\"; it must be \"skip\" or \"queue\" or \"allow\" or \"replace\""],
        ),
        ("description = 3", &["2:15: `description` is 3; it must be a text in quotes"]),
        ("description = \"a\\nb\"", &["2:15: `description`: write it in one line"]),
        (
            "queue = \"q\"\ntype = \"t\"\nargs = { x = inf }",
            &["4:14: `inf` cannot be a number of JSON; write it in quotes"],
        ),
        ("evry = \"1s\"", &["2:1: unknown key `evry`; did you mean `every`?"]),
    ]);
    let flag = Case::new("[processors.a]\nenabled = \"${ON}\"\n");
    assert!(!flag.env("ON", "false").load().config.processors[0].enabled);
    for (toml, problem) in [
        (
            "[processors.\"a/b\"]\n",
            "1:13: the processor name \"a/b\" contains '/'; use letters, digits, `.`, `_`, `-` and `:`",
        ),
        ("processors = 3\n", "1:1: `processors` is 3; write a table `[processors.NAME]` for each processor"),
        ("every = \"1s\"\n", "1:1: unknown key `every` here; it belongs in `[processors.NAME]`"),
    ] {
        assert_eq!(Case::new(toml).errors(), [format!("queue-work.toml:{problem}")]);
    }
}
