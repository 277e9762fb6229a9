//! Reads what workers wrote: the truth about runs, outside of the store.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

/// One start of a job, as its worker saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) attempt: i64,
    pub(crate) pid: i32,
    /// In microseconds.
    pub(crate) start: i64,
    pub(crate) end: Option<i64>,
}

/// What was written so far.
#[derive(Default)]
pub(crate) struct Witness {
    path: PathBuf,
    file: Option<File>,
    rest: String,
    /// The starts of each job, in order.
    pub(crate) jobs: BTreeMap<i64, Vec<Seen>>,
    /// Workers that killed themselves because a job says so.
    pub(crate) suicides: BTreeSet<i32>,
    /// When each worker came up: name, pid, microseconds.
    pub(crate) ups: Vec<(String, i32, i64)>,
    /// Runs of one job that overlap, in words.
    pub(crate) overlaps: Vec<String>,
    /// All starts.
    pub(crate) starts: u64,
    /// All ends.
    pub(crate) ends: u64,
}

impl Witness {
    pub(crate) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), ..Self::default() }
    }

    /// Reads what has come since.
    #[track_caller]
    pub(crate) fn read(&mut self) -> &mut Self {
        if self.file.is_none() {
            self.file = match File::open(&self.path) {
                Ok(file) => Some(file),
                Err(e) if e.kind() == ErrorKind::NotFound => None,
                Err(e) => panic!("the witness file: {e}"),
            };
        }
        let mut text = std::mem::take(&mut self.rest);
        if let Some(file) = &mut self.file {
            file.read_to_string(&mut text).expect("the witness file");
        }
        let whole = text.rfind('\n').map_or(0, |at| at + 1);
        self.rest = text.split_off(whole);
        for line in text.lines() {
            self.take(line);
        }
        self
    }

    #[track_caller]
    fn take(&mut self, line: &str) {
        let line = whole(line);
        let number = |text: &str| text.parse::<i64>().unwrap_or_else(|_| panic!("what is {line:?}"));
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["UP", name, pid, at] => self.ups.push((name.to_owned(), number(pid) as i32, number(at))),
            [word, job, attempt, pid, at] => {
                self.mark(line, word, number(job), number(attempt), number(pid) as i32, number(at));
            }
            _ => panic!("what is {line:?}"),
        }
    }

    fn mark(&mut self, line: &str, word: &str, job: i64, attempt: i64, pid: i32, at: i64) {
        let seen = self.jobs.entry(job).or_default();
        match word {
            "START" => {
                self.starts += 1;
                seen.push(Seen { attempt, pid, start: at, end: None });
            }
            "END" => {
                self.ends += 1;
                // Lines are in the order of what happened: an end belongs to the last start, or two runs overlap.
                match seen.last_mut() {
                    Some(last) if last.pid == pid && last.end.is_none() => last.end = Some(at),
                    last => self.overlaps.push(format!("{line} after {last:?}")),
                }
            }
            "CRASH" => drop(self.suicides.insert(pid)),
            "OVERLAP" => self.overlaps.push(format!("{line}: its lock is held; before it {:?}", seen.last())),
            _ => panic!("what is {line:?}"),
        }
    }
}

/// The line without what a worker left before it that was killed while it wrote: a SIGKILL cuts a write where a page of the
/// file ends.
fn whole(line: &str) -> &str {
    let begins = ["UP ", "START ", "END ", "CRASH ", "OVERLAP "].into_iter().filter_map(|word| line.rfind(word));
    begins.max().map_or(line, |at| &line[at..])
}
