//! Files that are damaged: whatever is in them, an import is a valid configuration or an error with a line.

use std::path::Path;

use queue_work::testing::port::{Source, Surroundings, import};

use super::{cases, sources, system_of};

/// Every so many characters a file is damaged.
const STEP: usize = 17;
/// Signs with a meaning for one of the systems or for TOML.
const SIGNS: [&str; 8] = ["\"", "'", "%", "${", "\\", "\n", "[", "\u{0}"];

/// The text cut there, without what stands there, and with each sign put there.
fn damaged(text: &str, at: usize) -> impl Iterator<Item = String> {
    let (before, after) = text.split_at(at);
    let without = after.chars().skip(1).collect::<String>();
    let signs = SIGNS.iter().map(move |sign| format!("{before}{sign}{after}"));
    [before.to_owned(), format!("{before}{without}")].into_iter().chain(signs)
}

#[test]
fn no_damage_makes_an_import_fail_otherwise_than_with_a_line() {
    let here = Surroundings { folder: Path::new("/srv/app"), is_root: true };
    let mut refused = 0;
    for case in cases() {
        let whole = sources(&case, &case);
        for (index, source) in whole.iter().enumerate() {
            let places = source.text.char_indices().map(|(at, _)| at).step_by(STEP);
            for text in places.flat_map(|at| damaged(&source.text, at)) {
                let mut all = whole.clone();
                all[index] = Source { text: text.clone(), ..source.clone() };
                let Err(broken) = import(system_of(&case), &all, here) else { continue };
                refused += 1;
                let lines = text.lines().count().max(1);
                assert!(!broken.message.contains("BUG"), "{}: {broken}\n{text}", case.display());
                assert!((1..=lines + 1).contains(&broken.line), "{}: {broken}\n{text}", case.display());
            }
        }
    }
    assert!(refused > 100, "{refused} refused");
}
