//! Reads the last lines of a worker's log, over all its files, while it may be written and set aside.

use std::collections::{HashSet, VecDeque};
use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::file::numbered;
use super::{ParsedLine, parse_line, path_of};
use crate::model::{JobId, UnixMicros};

/// Numbers beyond this are not ours.
const MAX_FILES: usize = 1000;

/// Which lines are wanted; the others are passed over.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wanted {
    /// Only of this job.
    pub job: Option<JobId>,
    /// Only those from then on.
    pub since: Option<UnixMicros>,
}

impl Wanted {
    fn has(self, line: &str) -> bool {
        let fits = |line: ParsedLine<'_>| {
            self.job.is_none_or(|job| line.job == Some(job)) && self.since.is_none_or(|since| line.at >= since)
        };
        (self.job.is_none() && self.since.is_none()) || parse_line(line).is_some_and(fits)
    }
}

/// The last `max_lines` lines, oldest first. No line if the worker never wrote one.
pub(crate) fn read_tail(dir: &Path, worker: &str, wanted: Wanted, max_lines: usize) -> io::Result<Vec<String>> {
    let Some(path) = path_of(dir, worker) else { return Ok(Vec::new()) };
    let mut seen = HashSet::new();
    let mut tail: VecDeque<String> = VecDeque::new();
    // From the newest, as only as many files are read as are needed. One that is set aside meanwhile comes up again
    // under its next number.
    for n in 0..MAX_FILES {
        let file = match File::open(numbered(&path, n)) {
            Ok(file) => file,
            // There may be none at this moment: it was just set aside, or deleted by hand.
            Err(e) if e.kind() == ErrorKind::NotFound && n < 2 => continue,
            Err(e) if e.kind() == ErrorKind::NotFound => break,
            Err(e) => return Err(e),
        };
        let found = file.metadata()?;
        if !seen.insert((found.dev(), found.ino())) {
            continue;
        }
        // Written to last before that, as are all that are older.
        let changed = UnixMicros(found.mtime().saturating_add(1).saturating_mul(1_000_000));
        if wanted.since.is_some_and(|since| changed < since) {
            break;
        }
        for line in last_lines(file, wanted, max_lines - tail.len())?.into_iter().rev() {
            tail.push_front(line);
        }
        if tail.len() >= max_lines {
            break;
        }
    }
    Ok(tail.into())
}

fn last_lines(file: File, wanted: Wanted, max_lines: usize) -> io::Result<VecDeque<String>> {
    let mut reader = BufReader::new(file);
    let mut lines = VecDeque::new();
    let mut line = Vec::new();
    // A line without its newline is still being written.
    while reader.read_until(b'\n', &mut line)? > 0 && line.pop() == Some(b'\n') {
        let text = String::from_utf8_lossy(&line);
        if wanted.has(&text) {
            if lines.len() == max_lines {
                lines.pop_front();
            }
            lines.push_back(text.into_owned());
        }
        line.clear();
    }
    lines.truncate(max_lines);
    Ok(lines)
}
