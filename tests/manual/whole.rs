//! Nothing is missing in the manual: every verb, every option, every key has its place.

use super::document;
use super::root;
use super::support::Bench;

/// Every verb, as the help lists them; the first is the master.
pub(crate) fn verbs(bench: &Bench) -> Vec<Vec<String>> {
    let mut all = vec![Vec::new()];
    let mut at = 0;
    while let Some(verb) = all.get(at).cloned() {
        let help = help(bench, &verb);
        let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
        let names = commands.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help");
        all.extend(names.map(|name| [&verb[..], &[name.to_owned()]].concat()));
        at += 1;
    }
    assert!(all.len() > 23, "{all:?}");
    all
}

fn help(bench: &Bench, verb: &[String]) -> String {
    let args: Vec<&str> = verb.iter().map(String::as_str).chain(["--help"]).collect();
    bench.ok(&args)
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
        assert!(options.len() > 5, "{verb:?}: {options:?}");
        missing.extend(verb.into_iter().chain(options).filter(|word| !words.contains(word)));
    }
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
