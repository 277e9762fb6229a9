//! Reads the last lines of a worker's log, over all its files, while it may be written and set aside.

use std::collections::{HashSet, VecDeque};
use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::file::numbered;
use super::{parse_line, path_of};
use crate::model::JobId;

/// Numbers beyond this are not ours.
const MAX_FILES: usize = 1000;

/// The last `max_lines` lines, oldest first, of one job or of all. No line if the worker never wrote one.
pub(crate) fn read_tail(dir: &Path, worker: &str, job: Option<JobId>, max_lines: usize) -> io::Result<Vec<String>> {
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
        for line in last_lines(file, job, max_lines - tail.len())?.into_iter().rev() {
            tail.push_front(line);
        }
        if tail.len() >= max_lines {
            break;
        }
    }
    Ok(tail.into())
}

fn last_lines(file: File, job: Option<JobId>, max_lines: usize) -> io::Result<VecDeque<String>> {
    let mut reader = BufReader::new(file);
    let mut lines = VecDeque::new();
    let mut line = Vec::new();
    // A line without its newline is still being written.
    while reader.read_until(b'\n', &mut line)? > 0 && line.pop() == Some(b'\n') {
        let text = String::from_utf8_lossy(&line);
        if job.is_none() || parse_line(&text).is_some_and(|parsed| parsed.job == job) {
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
