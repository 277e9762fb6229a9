//! The log file of one worker, set aside when it is full: `w.log`, then `w.log.1` (younger) to `w.log.N` (oldest).
//!
//! Rotation is a chain of renames of our own: file-rotate panics when somebody deletes a file that it has set aside,
//! and loses lines silently when the next file cannot be made.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{Options, format};
use crate::trust;

/// After a failure, the time until the next try.
const RETRY: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct WorkerLog {
    path: PathBuf,
    open: Option<(File, u64)>,
    buffer: Vec<u8>,
    lines: u64,
    lost: u64,
    failed_at: Option<Instant>,
}

impl WorkerLog {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, open: None, buffer: Vec::new(), lines: 0, lost: 0, failed_at: None }
    }

    /// A line with its newline.
    pub(super) fn add(&mut self, line: &str) {
        self.buffer.extend_from_slice(line.as_bytes());
        self.lines += 1;
    }

    pub(super) fn add_lost(&mut self, lines: u64) {
        self.lost += lines;
    }

    /// Whether something is to be written or reported.
    pub(super) fn owes(&self) -> bool {
        self.lines > 0 || self.lost > 0
    }

    /// Whether its file is open.
    pub(super) const fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Closes its file until something is to be written.
    pub(super) fn close(&mut self) {
        self.open = None;
    }

    /// Writes what was added. If that fails, it is lost and counted. `now: None` is the last chance: tries at once.
    pub(super) fn write(&mut self, options: &Options, now: Option<Instant>) {
        if !self.owes() {
            return;
        }
        let too_soon = match (self.failed_at, now) {
            (Some(failed), Some(now)) => now.duration_since(failed) < RETRY,
            _ => false,
        };
        if !too_soon {
            self.failed_at = if self.try_write(options).is_ok() { None } else { now };
        }
        if self.failed_at.is_some() {
            self.open = None;
            self.lost += self.lines;
        }
        self.buffer.clear();
        self.lines = 0;
    }

    fn try_write(&mut self, options: &Options) -> io::Result<()> {
        let kept = self.open.take().and_then(|(file, _)| size_if_there(&file, &self.path).map(|size| (file, size)));
        let (mut file, mut size) = match kept {
            Some(kept) => kept,
            None => open(&self.path, options)?,
        };
        if self.lost > 0 {
            // Before the lines that came after those that were lost.
            drop(self.buffer.splice(..0, format::lost_line(self.lost).into_bytes()));
        }
        let mut left = &self.buffer[..];
        while !left.is_empty() {
            let mut part = whole_lines(left, options.max_file_bytes.saturating_sub(size));
            if part == 0 && size > 0 {
                drop(file);
                rotate(&self.path, options.files)?;
                (file, size) = open(&self.path, options)?;
                part = whole_lines(left, options.max_file_bytes);
            }
            // A line that is longer than a file may be gets one of its own.
            let (now, later) = left.split_at(part.max(first_line(left)));
            failpoint!("log.write", nix::errno::Errno::ENOSPC.into());
            file.write_all(now)?;
            failpoint!("log.written");
            size += now.len() as u64;
            left = later;
        }
        self.lost = 0;
        self.open = Some((file, size));
        Ok(())
    }
}

/// The size of a file that is still what stands at its path: it may have been moved away, deleted, replaced or cut
/// short from outside. Writing on in one that has gone from its path would hide what is written.
fn size_if_there(file: &File, path: &Path) -> Option<u64> {
    let (open, there) = (file.metadata().ok()?, fs::symlink_metadata(path).ok()?);
    ((open.dev(), open.ino()) == (there.dev(), there.ino())).then_some(open.len())
}

/// The length of as many whole lines as there is room for.
fn whole_lines(text: &[u8], room: u64) -> usize {
    let room = usize::try_from(room).unwrap_or(usize::MAX).min(text.len());
    memchr::memrchr(b'\n', &text[..room]).map_or(0, |end| end + 1)
}

fn first_line(text: &[u8]) -> usize {
    memchr::memchr(b'\n', text).map_or(text.len(), |end| end + 1)
}

/// Opens for appending, with the size. A fragment at the end (a full disk, a crash) gets its newline first.
fn open(path: &Path, options: &Options) -> io::Result<(File, u64)> {
    let dir = &options.dir;
    if !dir.exists() {
        trust::make_folder(dir)?;
    }
    if !options.shared_folder {
        trust::check_folder(dir, options.owner)?;
    }
    let mut how = OpenOptions::new();
    how.read(true).append(true).create(true).mode(0o600);
    let mut file = trust::open(path, &mut how, options.owner)?;
    let size = file.metadata()?.len();
    let mut last = [b'\n'];
    if size > 0 {
        file.read_exact_at(&mut last, size - 1)?;
    }
    if last != [b'\n'] {
        file.write_all(b"\n")?;
    }
    Ok((file, size))
}

/// `w.log.3` → `w.log.4` … `w.log` → `w.log.1`; what would be one too many is overwritten.
fn rotate(path: &Path, files: usize) -> io::Result<()> {
    if files <= 1 {
        return fs::remove_file(path);
    }
    for n in (0..files - 1).rev() {
        failpoint!("log.set_aside", nix::errno::Errno::ENOSPC.into());
        match fs::rename(numbered(path, n), numbered(path, n + 1)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

/// The file set aside as the n-th; 0 is the current one.
pub(super) fn numbered(path: &Path, n: usize) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    if n > 0 {
        name.push(format!(".{n}"));
    }
    name.into()
}
