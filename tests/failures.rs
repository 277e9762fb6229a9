//! The catalogue of failures (`failures.md`) is whole, and every test that it names exists.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The sections, and how many entries each must have.
const SECTIONS: [(char, u32); 10] =
    [('A', 19), ('B', 28), ('C', 12), ('D', 23), ('E', 5), ('F', 14), ('G', 20), ('H', 8), ('I', 6), ('J', 7)];
/// What a line of an entry may begin with.
const WORDS: [&str; 4] = ["Seen", "Duty", "Tests", "Not here"];

/// One entry: its id, and what stands behind each of its words.
#[derive(Debug, Default)]
struct Entry {
    id: String,
    parts: BTreeMap<&'static str, String>,
}

impl Entry {
    fn part(&self, word: &str) -> &str {
        self.parts.get(word).map_or("", |text| text.trim())
    }

    /// `file::test`, as written.
    fn tests(&self) -> Vec<&str> {
        self.part("Tests").split('`').skip(1).step_by(2).collect()
    }
}

fn parse(text: &str) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut word = "";
    for line in text.lines() {
        if let Some(heading) = line.strip_prefix("### ") {
            let id = heading.split(' ').next().unwrap_or_default().to_owned();
            entries.push(Entry { id, ..Entry::default() });
            word = "";
        } else if line.starts_with('#') {
            word = "";
        } else if let Some(entry) = entries.last_mut() {
            let begun = WORDS.into_iter().find(|w| line.strip_prefix(w).is_some_and(|rest| rest.starts_with(':')));
            let rest = if let Some(begun) = begun {
                word = begun;
                &line[begun.len() + 1..]
            } else {
                line
            };
            assert!(!word.is_empty() || rest.is_empty(), "{}: what is `{line}`", entry.id);
            if !word.is_empty() {
                let part = entry.parts.entry(word).or_default();
                part.push_str(rest);
                part.push(' ');
            }
        }
    }
    entries
}

/// What is wrong with an entry.
fn problems(entry: &Entry, source: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let mut found = Vec::new();
    let mut wrong = |what: String| found.push(format!("{}: {what}", entry.id));
    let tests = entry.tests();
    let reason = entry.part("Not here");
    if entry.parts.contains_key("Tests") && tests.is_empty() {
        wrong("`Tests:` names none".to_owned());
    }
    if tests.is_empty() && reason.is_empty() {
        wrong("it has neither tests nor a reason".to_owned());
    }
    if !tests.is_empty() && !reason.is_empty() {
        wrong("it has tests and a reason why there are none".to_owned());
    }
    if entry.part("Seen").is_empty() || (reason.is_empty() && entry.part("Duty").is_empty()) {
        wrong("it does not say what was seen, or what our duty is".to_owned());
    }
    for test in &tests {
        let Some((file, name)) = test.split_once("::") else {
            wrong(format!("`{test}` is no `file::test`"));
            continue;
        };
        match source(file) {
            None => wrong(format!("there is no file `{file}`")),
            Some(text) if !text.contains(&format!("fn {name}(")) => {
                wrong(format!("there is no test `{name}` in `{file}`"));
            }
            Some(_) => {}
        }
    }
    let named: BTreeSet<_> = tests.iter().collect();
    if named.len() != tests.len() {
        wrong("it names a test twice".to_owned());
    }
    found
}

#[test]
fn every_entry_of_the_catalogue_has_tests_that_exist_or_a_reason() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let entries = parse(&fs::read_to_string(root.join("tests/failures.md")).expect("the catalogue"));
    let ids: Vec<String> = entries.iter().map(|e| e.id.clone()).collect();
    let wanted: Vec<String> =
        SECTIONS.iter().flat_map(|(section, count)| (1..=*count).map(move |n| format!("{section}{n}"))).collect();
    assert_eq!(ids, wanted);
    let source = |file: &str| fs::read_to_string(root.join(file)).ok();
    let found: Vec<String> = entries.iter().flat_map(|entry| problems(entry, source)).collect();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn what_is_wrong_with_an_entry_is_found() {
    let sources = |file: &str| (file == "a.rs").then(|| "fn it_holds() {} fn it_holds_too() {}".to_owned());
    let wrong = |text: &str| {
        let entries = parse(text);
        assert_eq!(entries.len(), 1);
        problems(&entries[0], sources)
    };
    let said = "### X1 A name\n\nSeen: this\nand that.\nDuty: never.\n";
    assert_eq!(wrong(&format!("{said}Tests: `a.rs::it_holds`,\n`a.rs::it_holds_too`\n")), [""; 0]);
    assert_eq!(wrong("### X1 A name\n\nSeen: this.\nNot here: no.\n"), [""; 0]);
    assert_eq!(wrong(said), ["X1: it has neither tests nor a reason"]);
    assert_eq!(wrong(&format!("{said}Tests: none yet\n")).len(), 2);
    assert_eq!(wrong(&format!("{said}Tests: `a.rs::it_hold`\n")), ["X1: there is no test `it_hold` in `a.rs`"]);
    assert_eq!(wrong(&format!("{said}Tests: `b.rs::it_holds`\n")), ["X1: there is no file `b.rs`"]);
    assert_eq!(wrong(&format!("{said}Tests: `it_holds`\n")), ["X1: `it_holds` is no `file::test`"]);
    assert_eq!(wrong(&format!("{said}Tests: `a.rs::it_holds`, `a.rs::it_holds`\n")), ["X1: it names a test twice"]);
    assert_eq!(wrong(&format!("{said}Tests: `a.rs::it_holds`\nNot here: no.\n")).len(), 1);
    assert_eq!(wrong("### X1 A name\n\nTests: `a.rs::it_holds`\n").len(), 1);
}
