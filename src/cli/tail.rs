//! Reads the last lines of a worker's output files: `<worker>.log` is the newest, then `.log.1`, `.log.2` ….

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use crate::model::{JobId, UnixMicros};
use crate::wire::control::LogLine;

/// The last lines, oldest first; of one job, or of all.
pub(crate) fn read(dir: &Path, worker: &str, job: Option<JobId>, lines: usize) -> io::Result<Vec<LogLine>> {
    let mut tail: VecDeque<LogLine> = VecDeque::new();
    let newest = dir.join(format!("{worker}.log"));
    let older = (1..).map(|n| dir.join(format!("{worker}.log.{n}")));
    for path in std::iter::once(newest).chain(older) {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => break,
            Err(e) => return Err(e),
        };
        let wanted = lines - tail.len();
        for line in last(file, worker, job, wanted)?.into_iter().rev() {
            tail.push_front(line);
        }
        if tail.len() >= lines {
            break;
        }
    }
    Ok(tail.into())
}

fn last(file: File, worker: &str, job: Option<JobId>, wanted: usize) -> io::Result<VecDeque<LogLine>> {
    let mut lines = VecDeque::new();
    let mut reader = BufReader::new(file);
    let mut line = Vec::new();
    // A line without its line break is still being written.
    while reader.read_until(b'\n', &mut line)? > 0 && line.last() == Some(&b'\n') {
        let parsed = parse(worker, &String::from_utf8_lossy(&line)).filter(|l| job.is_none() || l.job == job);
        if let Some(parsed) = parsed {
            lines.push_back(parsed);
            if lines.len() > wanted {
                lines.pop_front();
            }
        }
        line.clear();
    }
    Ok(lines)
}

/// `<RFC 3339> <out|err> <job or -> <text>`
fn parse(worker: &str, line: &str) -> Option<LogLine> {
    let mut parts = line.trim_end_matches('\n').splitn(4, ' ');
    let at: jiff::Timestamp = parts.next()?.parse().ok()?;
    let stream = parts.next().filter(|s| matches!(*s, "out" | "err"))?;
    let job = match parts.next()? {
        "-" => None,
        id => Some(JobId(id.parse().ok()?)),
    };
    Some(LogLine {
        at: UnixMicros::from_timestamp(at),
        worker: worker.to_owned(),
        stream: stream.to_owned(),
        job,
        text: parts.next().unwrap_or_default().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_taken_over_all_files_and_of_one_job_if_asked() {
        let dir = tempfile::tempdir().expect("a folder");
        let line = |s: u32, job: &str| format!("2026-01-01T00:00:{s:02}.000000Z out {job} line {s}\n");
        std::fs::write(dir.path().join("a-1.log.1"), line(1, "7") + &line(2, "-")).expect("written");
        std::fs::write(dir.path().join("a-1.log"), line(3, "7") + "garbage\n" + &line(4, "8") + "2026")
            .expect("written");
        let texts = |job, n| -> Vec<String> {
            let lines = read(dir.path(), "a-1", job, n).expect("read");
            lines.into_iter().map(|l| l.text).collect()
        };
        assert_eq!(texts(None, 3), ["line 2", "line 3", "line 4"]);
        assert_eq!(texts(None, 1), ["line 4"]);
        assert_eq!(texts(Some(JobId(7)), 10), ["line 1", "line 3"]);
        assert_eq!(texts(None, 0), [""; 0]);
    }
}
