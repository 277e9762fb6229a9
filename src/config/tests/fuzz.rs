//! Files in which words and lines were lost, doubled and changed.
//!
//! `PROPTEST_CASES` gives the number of cases.

use proptest::prelude::*;

use super::*;

const EXAMPLE: &str = include_str!("../../../config/example.toml");
const PIECES: [&str; 28] = [
    "\"",
    "'",
    "[",
    "]",
    "{",
    "}",
    "=",
    ",",
    "\n",
    "#",
    "-1",
    "0",
    "99999999999999999999",
    "1.5",
    "\"10 parsecs\"",
    "\"off\"",
    "true",
    "[pools.x]",
    "[defaults]",
    "workers = 3",
    "\u{1b}",
    "é",
    "timeout = \"1h\"",
    "queues = { a = 0 }",
    "[processors.x]",
    "every = \"1s\"",
    "cron = \"0 0 31 2 *\"",
    "args = { a = [1, { b = 2.5 }] }",
];

/// Change of a word of the file.
#[derive(Clone, Debug)]
enum Change {
    Drop,
    Double,
    Swap(&'static str),
    Cut,
}

fn changes() -> impl Strategy<Value = Vec<(prop::sample::Index, Change)>> {
    let change = prop_oneof![
        Just(Change::Drop),
        Just(Change::Double),
        prop::sample::select(&PIECES[..]).prop_map(Change::Swap),
        Just(Change::Cut)
    ];
    prop::collection::vec((any::<prop::sample::Index>(), change), 1..4)
}

fn changed(changes: &[(prop::sample::Index, Change)]) -> String {
    // Without comments: a change of those is none.
    let lines = EXAMPLE.lines().filter(|line| !line.trim_start().starts_with('#'));
    let text = lines.fold(String::new(), |text, line| text + line + "\n");
    let mut words: Vec<String> = text.split_inclusive([' ', '\n', '=', ',']).map(str::to_owned).collect();
    for (at, change) in changes {
        let at = at.index(words.len());
        match change {
            Change::Drop => drop(words.remove(at)),
            Change::Double => words.insert(at, words[at].clone()),
            Change::Swap(piece) => words[at] = (*piece).to_owned(),
            Change::Cut => {
                let keep = words[at].chars().count() / 2;
                words[at] = words[at].chars().take(keep).collect();
            }
        }
    }
    words.concat()
}

/// Key, value and origin of everything that a configuration shows.
fn shown(loaded: &Loaded) -> Vec<(String, String)> {
    show(loaded).into_iter().map(|line| (line.key, line.value)).collect()
}

proptest! {
    #[test]
    fn a_damaged_file_is_refused_with_places_or_means_what_is_shown(changes in changes()) {
        let text = changed(&changes);
        let case = Case::new(&text);
        match case.try_load() {
            Err(errors) => {
                prop_assert!(!errors.0.is_empty());
                for problem in &errors.0 {
                    prop_assert!(!problem.message.is_empty());
                    prop_assert!(problem.file.is_none() || problem.line > 0 && problem.column > 0, "{}", problem);
                    prop_assert!(problem.line <= text.lines().count() + 1, "{}", problem);
                    prop_assert!(problem.file.is_some() || !problem.key.is_empty(), "{}", problem);
                }
            }
            Ok(loaded) => {
                // Read twice, it is the same.
                let again = case.load();
                prop_assert_eq!(&loaded.config, &again.config);
                prop_assert_eq!(shown(&loaded), shown(&again));
                let pools = loaded.config.pools.iter();
                prop_assert!(pools.clone().all(|p| p.settings.limits.workers >= 1 && !p.settings.limits.timeout.is_zero()), "{}", text);
                for warning in &loaded.warnings {
                    prop_assert!(!warning.message.is_empty());
                }
            }
        }
    }

    #[test]
    fn any_bytes_are_refused_or_taken_and_never_more(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let case = Case::empty().file("queue-work.toml", bytes);
        if let Err(errors) = case.try_load() {
            prop_assert!(!errors.0.is_empty());
        }
    }
}
