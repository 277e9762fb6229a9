//! Nothing is missing in the manual: every verb, every option, every key has its place.

use super::document;
use super::root;
use super::support::Bench;

/// Every verb, as the manual page lists them; the first is the master, the last the page of the options of every verb.
pub(crate) fn verbs(bench: &Bench) -> Vec<Vec<String>> {
    let page = bench.ok(&["man"]);
    let headings = page.lines().filter_map(|line| line.strip_prefix(".SH \"QUEUE-WORK ")?.strip_suffix('"'));
    let words = |heading: &str| heading.to_lowercase().split(' ').map(str::to_owned).collect();
    let mut all = vec![vec!["start".to_owned()]];
    all.extend(headings.map(words));
    all.push(vec!["help".to_owned(), "options".to_owned()]);
    assert!(all.len() > 23, "{all:?}");
    all
}

fn help(bench: &Bench, verb: &[String]) -> String {
    let words: Vec<&str> = verb.iter().map(String::as_str).collect();
    bench.ok(&if words[0] == "help" { words } else { [&words[..], &["--help"]].concat() })
}

/// The long options of a verb, as its help has them.
pub(crate) fn options(bench: &Bench, verb: &[String]) -> Vec<String> {
    let help = help(bench, verb);
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
    for verb in verbs(&bench) {
        let options = options(&bench, &verb);
        missing.extend(verb.into_iter().chain(options).filter(|word| !words.contains(word)));
    }
    assert!(
        options(&bench, &["push".to_owned()]).len() > 15 && missing.is_empty(),
        "not in docs/commands.md: {missing:?}"
    );
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

#[test]
fn every_method_of_the_control_socket_is_in_the_protocol() {
    let table = std::fs::read_to_string(root().join("src/wire/control.rs")).expect("the methods");
    let rows = table.lines().filter_map(|line| line.strip_prefix("//! | `")?.split('|').next());
    let methods: Vec<&str> =
        rows.flat_map(|names| names.split(['`', ',', ' ']).filter(|name| !name.is_empty())).collect();
    assert!(methods.len() > 20, "{methods:?}");
    let words = words("docs/protocol.md");
    let missing: Vec<&&str> = methods.iter().filter(|method| !words.iter().any(|word| word == *method)).collect();
    assert!(missing.is_empty(), "not in docs/protocol.md: {missing:?}");
}
