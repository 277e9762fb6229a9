//! `processors`, `show`, and the line of `status`.

use serde_json::{Value, json};

use super::{array, begin, bench, keys, processor, runs, twice, write};
use crate::support::DEADLINE;

#[test]
fn the_list_has_the_documented_members_and_those_of_the_file_before_any_has_run() {
    twice(|bench| {
        let all = array(bench, &[]);
        let names: Vec<&Value> = all.iter().map(|processor| &processor["name"]).collect();
        assert_eq!(names, ["backup", "mail", "ocr", "report"]);
        for processor in &all {
            let expected = [
                "changed_at",
                "changed_by",
                "configured_enabled",
                "description",
                "enabled",
                "last_run",
                "last_skip",
                "name",
                "next_at",
                "reason",
                "schedule",
                "skipped",
                "timezone",
            ];
            assert_eq!(keys(processor), expected);
            for nothing in ["changed_at", "changed_by", "reason", "last_run", "last_skip"] {
                assert_eq!(processor[nothing], Value::Null, "{nothing} of {processor}");
            }
            assert_eq!(processor["skipped"], 0);
        }
        let (mail, ocr, report) = (&all[1], &all[2], &all[3]);
        assert_eq!((&mail["enabled"], &mail["configured_enabled"]), (&json!(false), &json!(false)));
        assert_eq!((&ocr["description"], &ocr["schedule"]), (&json!("Text in images"), &json!("every 1h")));
        assert_eq!((&ocr["enabled"], &ocr["timezone"]), (&json!(true), &Value::Null));
        assert_eq!((&report["schedule"], &report["timezone"]), (&json!("30 2 * * *"), &json!("Europe/Berlin")));
        assert!(report["next_at"].as_str().is_some_and(|at| at.contains(":30:00.000000Z")), "{report}");
        assert_eq!(all[0]["next_at"], Value::Null);
        // A master that has just begun may put the next tick of an interval on record between two looks.
        bench.wait_for("all ways to say the same", DEADLINE, |bench| {
            let all = array(bench, &[]);
            array(bench, &["list"]) == all && bench.run(&["processors", "show", "ocr", "--json"]).json() == all[2]
        });
    });
}

#[test]
fn the_list_and_one_processor_are_shown_to_people_on_80_columns() {
    twice(|bench| {
        let id = begin(bench, &["backup"]);
        bench.ok(&["processors", "end", &id, "--state", "failed", "--note", "tape \x1b[2J is\nfull"]);
        bench.ok(&["processors", "disable", "ocr", "--reason", "the disk is full"]);
        let list = bench.ok(&["processors"]);
        let (heading, rows) = list.split_once('\n').expect("lines");
        assert!(heading.starts_with("processor  on   schedule"), "{list}");
        assert!(rows.contains("report     on   30 2 * * * (Europe/Berlin)"), "{list}");
        assert!(rows.contains("backup     on   none") && rows.contains("failed "), "{list}");
        assert!(rows.contains("tape \\x1b[2J is ⏎ full"), "{list}");
        assert!(
            rows.contains("`ocr` disabled by ") && rows.contains(": the disk is full (the file says enabled)"),
            "{list}"
        );
        let shown = bench.ok(&["processors", "show", "backup"]);
        for expected in
            ["processor    backup\n", "switch       enabled (the file says enabled)\n", "\nrun  state   started"]
        {
            assert!(shown.contains(expected), "{expected:?} in {shown}");
        }
        assert!(!shown.contains('\u{1b}') && !list.contains('\u{1b}'));
        assert!(bench.ok(&["processors", "show", "ocr"]).contains("description  Text in images\n"));
    });
}

#[test]
fn a_processor_that_is_gone_from_the_file_is_listed_as_not_configured_and_is_known() {
    twice(|bench| {
        let id = begin(bench, &["backup"]);
        bench.ok(&["processors", "end", &id]);
    });
    let bench = bench();
    begin(&bench, &["backup"]);
    write(&bench, "[processors.new]\nevery = \"1h\"\ncommand = [\"true\"]\n");
    let look = || {
        let gone = processor(&bench, "backup");
        assert_eq!(
            (&gone["configured_enabled"], &gone["enabled"], &gone["next_at"]),
            (&json!(null), &json!(true), &json!(null))
        );
        assert!(bench.ok(&["processors"]).contains("backup     on  not configured"), "{}", bench.ok(&["processors"]));
        bench.ok(&["processors", "runs", "backup"]);
        let before = runs(&bench).len();
        begin(&bench, &["backup"]);
        assert_eq!(runs(&bench).len(), before + 1, "what is on record can be run from outside");
        let said = bench.ok(&["processors", "disable", "backup"]);
        assert!(said.starts_with("disabled `backup` (not configured); its run "), "{said}");
        assert!(bench.ok(&["processors", "reset", "backup"]).starts_with("`backup` is enabled, and not configured"));
    };
    look();
    let _master = bench.start(&[]);
    look();
}

#[test]
fn status_names_processors_that_went_wrong_in_one_line() {
    let bench = bench();
    assert!(!bench.run(&["status"]).stdout.contains("processors"));
    let id = begin(&bench, &["backup"]);
    assert!(!bench.run(&["status"]).stdout.contains("processors"), "it runs");
    bench.ok(&["processors", "end", &id, "--state", "failed"]);
    let line = |text: &str| text.lines().find(|line| line.starts_with("processors: ")).map(str::to_owned);
    let said = line(&bench.run(&["status"]).expect_code(3).stdout).expect("a line");
    assert!(
        said.starts_with("processors: `backup` failed ") && said.ends_with("; see `queue-work processors`"),
        "{said}"
    );
    let _master = bench.start(&[]);
    assert!(line(&bench.ok(&["status"])).is_some());
    let id = begin(&bench, &["backup"]);
    bench.ok(&["processors", "end", &id]);
    assert_eq!(line(&bench.ok(&["status"])), None);
}

#[test]
fn without_processors_the_list_is_empty_and_says_how_to_write_one() {
    let bench = super::Bench::new();
    assert_eq!(bench.run(&["processors", "--json"]).expect_code(0).json(), json!([]));
    let run = bench.run(&["processors"]).expect_code(0);
    assert!(run.stdout.is_empty() && run.stderr.contains("`[processors.NAME]`"), "{run:?}");
    let word = bench.run(&["processor"]).expect_code(2);
    assert!(word.stderr.contains("did you mean `processors`?"), "{word:?}");
    assert!(!bench.database().exists());
}
