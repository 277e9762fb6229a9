//! Nothing is missing in the manual: every verb, every option, every key has its place.

use super::document;
use super::root;
use super::support::Bench;

/// Every verb; the first is the master.
pub(crate) const VERBS: [&[&str]; 23] = [
    &[],
    &["start"],
    &["push"],
    &["status"],
    &["scale"],
    &["spawn"],
    &["restart"],
    &["stop"],
    &["pause"],
    &["resume"],
    &["jobs", "list"],
    &["jobs", "show"],
    &["jobs", "retry"],
    &["jobs", "cancel"],
    &["jobs", "delete"],
    &["jobs", "wait"],
    &["runs"],
    &["workers"],
    &["logs"],
    &["config", "show"],
    &["config", "check"],
    &["config", "init"],
    &["completions"],
];

/// The long options of a verb, as its help has them.
pub(crate) fn options(bench: &Bench, verb: &[&str]) -> Vec<String> {
    let help = bench.ok(&[verb, &["--help"]].concat());
    let named = help.lines().filter_map(|line| {
        let line = line.trim_start();
        let long = line
            .strip_prefix("--")
            .or_else(|| line.split_once(", --").filter(|(s, _)| s.len() == 2).map(|(_, l)| l))?;
        long.split(|c: char| !c.is_ascii_alphabetic() && c != '-').next().filter(|name| !name.is_empty())
    });
    named.map(|name| format!("--{name}")).collect()
}

/// The words of code in a chapter.
fn words(file: &str) -> Vec<String> {
    let code = document(file).code.into_iter().map(|(_, code)| code);
    code.flat_map(|code| code.split([' ', '|']).map(|word| word.trim_end_matches('\\').to_owned()).collect::<Vec<_>>())
        .collect()
}

#[test]
fn every_verb_and_every_option_is_in_the_commands() {
    let bench = Bench::new();
    let words = words("docs/commands.md");
    let mut missing = Vec::new();
    for verb in VERBS {
        missing.extend(verb.iter().filter(|word| !words.iter().any(|w| w == *word)).map(|&word| word.to_owned()));
        let options = options(&bench, verb);
        assert!(options.len() > 5, "{verb:?}: {options:?}");
        missing.extend(options.into_iter().filter(|option| option != "--help" && !words.contains(option)));
    }
    let help = bench.ok(&["--help"]);
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let verbs = commands.filter_map(|line| line.split_whitespace().next());
    missing.extend(verbs.filter(|verb| *verb != "help" && !words.iter().any(|w| w == verb)).map(str::to_owned));
    assert!(missing.is_empty(), "not in docs/commands.md: {missing:?}");
}

#[test]
fn every_key_is_in_the_configuration() {
    let defaults = std::fs::read_to_string(root().join("config/default.toml")).expect("the defaults");
    let keys =
        defaults.lines().filter_map(|line| line.trim_start_matches(['#', ' ']).split_once(" = ")).map(|(key, _)| key);
    let keys: Vec<&str> = keys.filter(|key| key.chars().all(|c| c.is_ascii_lowercase() || c == '_')).collect();
    assert!(keys.len() > 25, "{keys:?}");
    let words = words("docs/configuration.md");
    let missing: Vec<&&str> = keys.iter().filter(|key| !words.iter().any(|word| word == *key)).collect();
    assert!(missing.is_empty(), "not in docs/configuration.md: {missing:?}");
}
