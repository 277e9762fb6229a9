//! Finds the failpoints in the sources, so that no list of them can be out of date.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// The first argument of every use of a macro in `src`, and whether it was given more than that.
pub(crate) fn uses_of(name: &str) -> BTreeMap<String, bool> {
    let mut found = BTreeMap::new();
    scan(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &format!("{name}!("), &mut found);
    found
}

fn scan(folder: &Path, what: &str, found: &mut BTreeMap<String, bool>) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            scan(&path, what, found);
        } else if path != Path::new(env!("CARGO_MANIFEST_DIR")).join("src/faults.rs") {
            let text = fs::read_to_string(&path).expect("a source");
            // Not the end of a longer word: `debug!`.
            let whole = |at: &usize| !text[..*at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
            for at in text.match_indices(what).map(|(at, _)| at).filter(whole) {
                let rest = text[at + what.len()..].trim_start().strip_prefix('"').expect("a literal");
                let (argument, rest) = rest.split_once('"').expect("the end of the literal");
                *found.entry(argument.to_owned()).or_default() |= rest.starts_with(',');
            }
        }
    }
}
