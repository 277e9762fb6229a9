//! What cannot be run without containers is at least read: YAML is YAML, and a command of queue-work in it exists.

use saphyr::{LoadableYamlNode as _, Yaml};

use super::support::Bench;

#[track_caller]
pub(crate) fn is_yaml(at: &str, text: &str) {
    let read = Yaml::load_from_str(text).unwrap_or_else(|e| panic!("{at}: {e}"));
    assert!(!read.is_empty() && read.iter().all(Yaml::is_mapping), "{at}: no keys");
}

/// Each list of words that begins with the program is a command that it takes.
#[track_caller]
pub(crate) fn commands_exist(at: &str, text: &str) {
    let lists = text.split('[').skip(1).filter_map(|rest| rest.split(']').next());
    for list in lists {
        let words: Vec<&str> = list.split(',').map(|word| word.trim().trim_matches('"')).collect();
        let Some(("queue-work", rest)) = words.split_first().map(|(first, rest)| (*first, rest)) else { continue };
        let own: Vec<&str> = rest.iter().copied().take_while(|word| *word != "--").chain(["--help"]).collect();
        let out = Bench::new().command(&own).output().expect("it starts");
        assert!(out.status.success(), "{at}: {list}: {}", String::from_utf8_lossy(&out.stderr));
    }
}
