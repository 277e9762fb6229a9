//! Names that do not exist, and what is no name.

use super::twice;

/// Every verb that takes a name.
const VERBS: [&[&str]; 10] = [
    &["show"],
    &["enable"],
    &["disable"],
    &["reset"],
    &["next"],
    &["runs"],
    &["last"],
    &["begin"],
    &["wrap", "--note", "n"],
    &["run"],
];

#[test]
fn a_processor_that_nobody_knows_is_refused_by_every_verb_with_the_nearest_and_the_next_step() {
    twice(|bench| {
        let has_master = bench.status()["master"].is_object();
        let call = |verb: &[&str], name: &str| {
            let command: &[&str] = if verb[0] == "wrap" { &["--", "true"] } else { &[] };
            bench.run(&[&["processors"], verb, &[name], command].concat())
        };
        for verb in VERBS.into_iter().filter(|verb| has_master || verb[0] != "run") {
            let run = call(verb, "orc").expect_code(4);
            assert!(run.stdout.is_empty() && run.stderr.contains("there is no processor `orc`"), "{verb:?}: {run:?}");
            assert!(run.stderr.contains("did you mean `ocr`?"), "{verb:?}: {run:?}");
            let run = call(verb, "nothing-like-it").expect_code(4);
            assert!(run.stderr.contains("`[processors.nothing-like-it]`"), "{verb:?}: {run:?}");
            for name in ["a/b", "a b", "", "..", "a\n"] {
                let run = call(verb, name).expect_code(2);
                assert!(run.stdout.is_empty() && run.stderr.contains("PROCESSOR"), "{verb:?} {name:?}: {run:?}");
            }
        }
    });
}

#[test]
fn a_reason_with_control_characters_and_a_long_one_do_no_harm() {
    twice(|bench| {
        let said = bench.ok(&["processors", "disable", "ocr", "--reason", "a\x1b[2J\nb"]);
        assert_eq!(said, "disabled `ocr` (the file says enabled): a\\x1b[2J ⏎ b\n");
        assert!(bench.ok(&["processors"]).contains("a\\x1b[2J ⏎ b"));
        assert_eq!(super::processor(bench, "ocr")["reason"], "a\x1b[2J\nb");
        bench.ok(&["processors", "disable", "ocr", "--reason", &"ü".repeat(50_000)]);
        assert_eq!(super::processor(bench, "ocr")["reason"], "ü".repeat(4096));
    });
}
