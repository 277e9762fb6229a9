//! Import and export: files of other systems, as people write them, become the configuration that stands beside them, and
//! what is exported is run by the systems themselves.
//!
//! Each folder of `import` is a case: SYSTEM-NAME, with the files and `expected.toml`, whose first line says what became of
//! the keys. Where `UPDATE_EXPECTED` is set, the files are written anew instead.

#[path = "../support/mod.rs"]
mod support;

mod damaged;
mod exported;
mod files;
mod guides;
mod supervisord;

use std::fs;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use queue_work::testing::port::{Source, Surroundings, System, import};

const EXPECTED: &str = "expected.toml";

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/port/import");
    let mut cases: Vec<PathBuf> =
        fs::read_dir(folder).expect("cases").map(|entry| entry.expect("one").path()).collect();
    cases.sort();
    cases
}

/// The files of a case, by their names below it.
fn sources(case: &Path, folder: &Path) -> Vec<Source> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("one").path()).collect();
    paths.sort();
    let mut sources = Vec::new();
    for path in paths {
        if path.is_dir() {
            sources.extend(self::sources(case, &path));
        } else if !path.ends_with(EXPECTED) {
            let name = path.strip_prefix(case).expect("below it").to_string_lossy().into_owned();
            sources.push(Source { name, text: fs::read_to_string(&path).expect("a text") });
        }
    }
    sources
}

fn system_of(case: &Path) -> System {
    let name = case.file_name().and_then(|name| name.to_str()).and_then(|name| name.split('-').next());
    name.and_then(|name| System::from_str(name, false).ok()).expect("a system")
}

#[test]
fn files_of_other_systems_become_the_configuration_beside_them() {
    let (mut wrong, mut count) = (Vec::new(), 0);
    for case in cases() {
        let name = case.file_name().expect("a name").to_string_lossy().into_owned();
        let here = Surroundings { folder: Path::new("/srv/app"), is_root: name.ends_with("system") };
        let made =
            import(system_of(&case), &sources(&case, &case), here).unwrap_or_else(|broken| panic!("{name}: {broken}"));
        let summary = made.summary();
        let found = format!("# {}\n{}", summary.lines().next().expect("a line"), made.toml);
        if std::env::var_os("UPDATE_EXPECTED").is_some() {
            fs::write(case.join(EXPECTED), &found).expect("written");
        }
        count += 1;
        let expected = fs::read_to_string(case.join(EXPECTED)).unwrap_or_default();
        if found != expected {
            wrong.push(format!("{name}:\n{found}"));
        }
    }
    assert!(count >= 15 && wrong.is_empty(), "{count} cases, not as expected:\n{}", wrong.join("\n"));
}
