//! `enable`, `disable` and `reset`: the word of an operator, which is kept, and asked before anything is recorded.

use serde_json::{Value, json};

use super::support::{Bench, DEADLINE};
use super::{begin, bench, processor, runs, twice};

fn switched(bench: &Bench, name: &str) -> Value {
    let all = processor(bench, name);
    json!([all["enabled"], all["configured_enabled"], all["reason"], all["changed_by"]])
}

fn user() -> String {
    let id = std::process::Command::new("id").arg("-un").output().expect("`id` is there");
    String::from_utf8(id.stdout).expect("text").trim().to_owned()
}

#[test]
fn a_processor_is_switched_with_the_user_and_the_reason_until_it_is_reset() {
    twice(|bench| {
        let said = bench.ok(&["processors", "disable", "ocr", "--reason", "the disk is full"]);
        assert_eq!(said, "disabled `ocr` (the file says enabled): the disk is full\n");
        assert_eq!(switched(bench, "ocr"), json!([false, true, "the disk is full", user()]));
        assert!(processor(bench, "ocr")["changed_at"].as_str().is_some_and(|at| at.ends_with('Z')));
        assert_eq!(bench.ok(&["processors", "enable", "mail"]), "enabled `mail` (the file says disabled)\n");
        assert_eq!(switched(bench, "mail"), json!([true, false, null, user()]));
        assert_eq!(bench.ok(&["processors", "enable", "ocr"]), "enabled `ocr`\n");
        assert_eq!(switched(bench, "ocr"), json!([true, true, null, user()]));
        let said = bench.ok(&["processors", "reset", "ocr", "mail"]);
        assert_eq!(said, "`mail` is disabled, as the file says\n`ocr` is enabled, as the file says\n");
        assert_eq!(switched(bench, "ocr"), json!([true, true, null, null]));
        assert_eq!(processor(bench, "ocr")["changed_at"], Value::Null);
        let both = bench.run(&["processors", "disable", "ocr", "mail", "--json"]).expect_code(0).json();
        assert_eq!(
            (&both[0]["name"], &both[1]["name"], &both[1]["enabled"]),
            (&json!("mail"), &json!("ocr"), &json!(false))
        );
    });
}

#[test]
fn of_several_names_all_are_switched_or_none() {
    twice(|bench| {
        let run = bench.run(&["processors", "disable", "ocr", "orc"]).expect_code(4);
        assert!(
            run.stderr.contains("there is no processor `orc`") && run.stderr.contains("did you mean `ocr`?"),
            "{run:?}"
        );
        assert_eq!(processor(bench, "ocr")["enabled"], true);
    });
}

#[test]
fn a_switch_survives_the_stop_and_the_kill_of_the_master() {
    let bench = bench();
    bench.ok(&["processors", "disable", "ocr"]);
    let mut master = bench.start(&[]);
    assert_eq!(processor(&bench, "ocr")["enabled"], false);
    bench.ok(&["processors", "enable", "mail"]);
    master.kill9();
    drop(master);
    assert_eq!(
        (&processor(&bench, "mail")["enabled"], &processor(&bench, "ocr")["enabled"]),
        (&json!(true), &json!(false))
    );
    let _master = bench.start(&[]);
    assert_eq!(processor(&bench, "mail")["enabled"], true);
    bench.run(&["processors", "run", "ocr"]).expect_code(5);
}

#[test]
fn a_disabled_processor_records_no_run() {
    twice(|bench| {
        for name in ["mail", "backup"] {
            bench.ok(&["processors", "disable", name]);
            let refused = bench.run(&["processors", "begin", name]).expect_code(5);
            assert!(refused.stdout.is_empty(), "{refused:?}");
            assert!(refused.stderr.contains(&format!("`queue-work processors enable {name}`")), "{refused:?}");
            let marker = bench.path().join("ran");
            let wrapped = bench.run(&["processors", "wrap", name, "--", "touch", marker.to_str().expect("UTF-8")]);
            let said = format!("queue-work: the processor `{name}` is disabled, so its command is not run\n");
            assert_eq!(wrapped.expect_code(0).stderr, said);
            assert!(!marker.exists());
        }
        assert_eq!(runs(bench), Vec::<Value>::new());
    });
}

#[test]
fn a_run_that_is_open_goes_on_when_its_processor_is_disabled_and_that_is_said() {
    twice(|bench| {
        let id = begin(bench, &["backup"]);
        let said = bench.ok(&["processors", "disable", "backup"]);
        assert_eq!(said, format!("disabled `backup` (the file says enabled); its run {id} goes on\n"));
        bench.ok(&["processors", "end", &id]);
        bench.wait_for("the run to be over", DEADLINE, |bench| runs(bench)[0]["state"] == "succeeded");
    });
}
