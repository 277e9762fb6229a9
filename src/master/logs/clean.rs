//! Removes the logs of workers that are gone for long: pools that are added while the master runs may have ever new names.
//!
//! Invariant: what has not the name and the form of our logs, is no file, belongs to a worker that lives, or was written to
//! lately, stays: the folder may be that of other programs, too.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::parse_line;

/// Enough of a first line to know its form.
const LONGEST: u64 = 4096;

/// Looks through the folder. What cannot be read or removed now stays until the next time.
pub(super) fn remove_old(dir: &Path, since: SystemTime, living: &BTreeSet<Arc<str>>) {
    let mut logs: BTreeMap<String, (SystemTime, Vec<PathBuf>)> = BTreeMap::new();
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        let Some(worker) = entry.file_name().to_str().and_then(worker_of).map(str::to_owned) else { continue };
        let Ok(found) = fs::symlink_metadata(entry.path()) else { continue };
        if !found.is_file() || !is_ours(&entry.path()) {
            continue;
        }
        let written = found.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        let (last, files) = logs.entry(worker).or_insert((written, Vec::new()));
        *last = written.max(*last);
        files.push(entry.path());
    }
    for (worker, (last, files)) in logs {
        if last < since && !living.contains(&*worker) {
            log::debug!("the log of worker `{worker}` is removed: it is gone");
            for file in files {
                drop(fs::remove_file(file));
            }
        }
    }
}

/// The worker of `w-1.log` and of `w-1.log.3`.
fn worker_of(name: &str) -> Option<&str> {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let current = name.rsplit_once('.').filter(|(_, n)| is_number(n)).map_or(name, |(current, _)| current);
    current.strip_suffix(".log").filter(|worker| worker.rsplit_once('-').is_some_and(|(_, slot)| is_number(slot)))
}

/// Whether its first line has the form of ours.
fn is_ours(path: &Path) -> bool {
    let mut line = Vec::new();
    let read = File::open(path).and_then(|file| BufReader::new(file.take(LONGEST)).read_until(b'\n', &mut line));
    read.is_ok() && parse_line(&String::from_utf8_lossy(&line)).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_logs_of_workers_that_are_gone_and_silent_for_long_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a-1.log", "a-1.log.1", "b-1.log", "notes.txt", "a.log", "a-1.log.old"] {
            fs::write(dir.path().join(name), "2026-11-28T12:00:00.000000Z out - x\n").unwrap();
        }
        fs::write(dir.path().join("other-1.log"), "what another program wrote\n").unwrap();
        fs::create_dir(dir.path().join("c-1.log")).unwrap();
        let left = || {
            let mut names: Vec<String> =
                fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        };
        let all = left();
        let living = BTreeSet::from(["b-1".into()]);
        remove_old(dir.path(), SystemTime::UNIX_EPOCH, &living);
        assert_eq!(left(), all);
        let later =
            fs::metadata(dir.path().join("a-1.log")).unwrap().modified().unwrap() + std::time::Duration::from_secs(9);
        remove_old(dir.path(), later, &living);
        assert_eq!(left(), ["a-1.log.old", "a.log", "b-1.log", "c-1.log", "notes.txt", "other-1.log"]);
    }
}
