//! Good lines wait in an unlinked temporary file until all input was seen: nothing is added before, and memory does
//! not grow with the input.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Seek, Write};

use super::input::Places;
use crate::wire::control::PushJob;

/// Being filled.
pub(super) struct Spool {
    file: BufWriter<File>,
    pub(super) count: u64,
    /// Which is the first without a unique key, from 0.
    pub(super) unkeyed: Option<u64>,
    /// In which lines they stand.
    pub(super) places: Places,
    bytes: u64,
}

impl Spool {
    pub(super) fn new() -> io::Result<Self> {
        let file = BufWriter::with_capacity(1 << 18, tempfile::tempfile()?);
        Ok(Self { file, count: 0, unkeyed: None, places: Places::default(), bytes: 0 })
    }

    pub(super) fn add(&mut self, job: &PushJob) -> io::Result<()> {
        let mut line = serde_json::to_vec(job)?;
        line.push(b'\n');
        self.file.write_all(&line)?;
        if job.unique.is_none() {
            self.unkeyed.get_or_insert(self.count);
        }
        self.count += 1;
        self.bytes += line.len() as u64;
        Ok(())
    }

    /// Whether there are no more than so many jobs and bytes.
    pub(super) fn fits(&self, (jobs, bytes): (usize, usize)) -> bool {
        self.count <= jobs as u64 && self.bytes <= bytes as u64
    }

    /// From the beginning.
    pub(super) fn rewind(self) -> io::Result<Spooled> {
        let mut file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.rewind()?;
        Ok(Spooled { reader: BufReader::with_capacity(1 << 18, file), ahead: String::new() })
    }
}

/// Being read.
pub(super) struct Spooled {
    reader: BufReader<File>,
    /// A job that did not fit the chunk before.
    ahead: String,
}

impl Spooled {
    /// From the beginning once more.
    pub(super) fn again(&mut self) -> io::Result<()> {
        self.ahead.clear();
        self.reader.rewind()
    }

    /// The next jobs as JSON text: at most so many, and so many bytes unless one alone has more. Empty at the end.
    pub(super) fn chunk(&mut self, jobs: usize, bytes: usize) -> io::Result<Vec<String>> {
        let mut chunk = Vec::new();
        let mut total = 0;
        while chunk.len() < jobs {
            if self.ahead.is_empty() && self.reader.read_line(&mut self.ahead)? == 0 {
                break;
            }
            if !chunk.is_empty() && total + self.ahead.len() > bytes {
                break;
            }
            total += self.ahead.len();
            let mut job = std::mem::take(&mut self.ahead);
            job.pop();
            chunk.push(job);
        }
        Ok(chunk)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_come_back_in_order_in_chunks_of_limited_number_and_size() {
        let mut spool = Spool::new().expect("a file");
        for n in 0..5 {
            let job: PushJob = serde_json::from_str(&format!(r#"{{"type":"t{n}"}}"#)).expect("a job");
            spool.add(&job).expect("written");
        }
        assert_eq!(spool.count, 5);
        let mut spooled = spool.rewind().expect("read");
        let mut chunk = |jobs, bytes| spooled.chunk(jobs, bytes).expect("read");
        assert_eq!(chunk(2, 1000), [r#"{"type":"t0"}"#, r#"{"type":"t1"}"#]);
        assert_eq!(chunk(10, 30), [r#"{"type":"t2"}"#, r#"{"type":"t3"}"#]);
        assert_eq!(chunk(10, 1), [r#"{"type":"t4"}"#]);
        assert_eq!(chunk(10, 1), [""; 0]);
    }
}
