//! A disk that breaks and forgets: `disk.c` compiled, preloaded into the unmodified program, told what to do, and read.
//!
//! Invariant: only the process that is started with [`Shim::env`] is touched, and of it only the files below one folder.

#![expect(dead_code, reason = "one test file makes faults, another reads the record")]

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use tempfile::TempDir;

/// Compiles `disk.c` once per test program.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/shim/disk.c");
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        // Made under a name of its own: other test programs may be using or making the same.
        let made = folder.join(format!("disk-{}.so", std::process::id()));
        let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
        let out = Command::new(compiler)
            .args(["-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-pthread", "-o"])
            .args([&made, &source])
            .arg("-ldl")
            .output()
            .expect("a C compiler, which SQLite needs as well");
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        let library = folder.join("disk.so");
        fs::rename(made, &library).expect("a folder to compile in");
        library
    })
}

/// What stands between the program and the files of one folder.
pub(crate) struct Shim {
    /// Its own files, elsewhere.
    own: TempDir,
    folder: PathBuf,
    records: bool,
    faults: AtomicU64,
}

/// Which calls are to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Writing.
    Write,
    /// `fsync` and `fdatasync`.
    Sync,
    /// The same, and opening to write.
    Change,
    /// All of them.
    Any,
    /// Reading, which none of the others is.
    Read,
}

impl Shim {
    /// For the files below `folder`; makes no faults and no record yet.
    pub(crate) fn new(folder: &Path) -> Self {
        library();
        Self {
            own: tempfile::tempdir().expect("a folder"),
            folder: folder.to_owned(),
            records: false,
            faults: AtomicU64::new(0),
        }
    }

    /// The same with a record.
    pub(crate) fn recording(folder: &Path) -> Self {
        Self { records: true, ..Self::new(folder) }
    }

    /// The variables to start the program with.
    pub(crate) fn env(&self) -> Vec<(&'static str, String)> {
        let text = |path: &Path| path.to_str().expect("UTF-8").to_owned();
        let mut env = vec![
            ("LD_PRELOAD", text(library())),
            ("DISK_DIR", text(&self.folder)),
            ("DISK_FAULT", text(&self.own.path().join("fault"))),
            ("DISK_HITS", text(&self.hits_path())),
        ];
        if self.records {
            env.push(("DISK_RECORD", text(&self.record_path())));
        }
        env
    }

    fn record_path(&self) -> PathBuf {
        self.own.path().join("record")
    }

    fn hits_path(&self) -> PathBuf {
        self.own.path().join("hits")
    }

    /// How long the record is now: a moment in it.
    pub(crate) fn moment(&self) -> u64 {
        fs::metadata(self.record_path()).map_or(0, |found| found.size())
    }

    /// What was recorded, each with the moment after it.
    pub(crate) fn record(&self) -> Vec<(u64, Record)> {
        parse(&fs::read(self.record_path()).expect("something was recorded"))
    }

    /// From now on calls of this kind on files whose path ends in `ending` (`*`: all) fail with `error`, from the
    /// `from`-th on (from 1), `count` of them (0: until [`Shim::heal`]).
    pub(crate) fn fail(&self, kind: Kind, error: &str, (from, count): (u64, u64), ending: &str) {
        let id = self.faults.fetch_add(1, Ordering::Relaxed) + 1;
        let kind = match kind {
            Kind::Write => "write",
            Kind::Sync => "sync",
            Kind::Change => "change",
            Kind::Any => "any",
            Kind::Read => "read",
        };
        let text = format!("{id} {kind} {error} {from} {count} {ending}\n");
        // At once as a whole.
        let new = self.own.path().join("fault.new");
        fs::write(&new, text).expect("a file");
        fs::rename(new, self.own.path().join("fault")).expect("a file");
    }

    /// Nothing fails any more.
    pub(crate) fn heal(&self) {
        let _ = fs::remove_file(self.own.path().join("fault"));
    }

    /// How many calls the last fault has made to fail, and the last of them.
    pub(crate) fn hits(&self) -> (usize, String) {
        let text = fs::read_to_string(self.hits_path()).unwrap_or_default();
        let id = format!("{} ", self.faults.load(Ordering::Relaxed));
        let hits: Vec<&str> = text.lines().filter(|line| line.starts_with(&id)).collect();
        (hits.len(), hits.last().copied().unwrap_or_default().to_owned())
    }
}

/// One thing that was done to a file.
#[derive(Clone, Debug)]
pub(crate) enum Record {
    /// A new file.
    Create { path: PathBuf, file: u64 },
    /// Bytes at a place.
    Write { file: u64, at: u64, bytes: Vec<u8> },
    /// A new length.
    Truncate { file: u64, length: u64 },
    /// A sync begins: it covers what was done to the file (or folder) so far.
    SyncBegin { path: PathBuf, file: u64, number: u64 },
    /// It has succeeded.
    SyncEnd { number: u64 },
    /// It has failed: what it was to cover is taken for written all the same, and no later sync writes it.
    SyncFailed { number: u64 },
    /// A name is gone.
    Unlink { path: PathBuf },
    /// A file has another name.
    Rename { from: PathBuf, to: PathBuf },
}

fn parse(bytes: &[u8]) -> Vec<(u64, Record)> {
    let mut rest = bytes;
    let mut take = |n: usize| {
        let (part, left) = rest.split_at_checked(n)?;
        rest = left;
        Some(part)
    };
    let small = |part: &[u8]| u32::from_le_bytes(part.try_into().expect("four bytes"));
    let large = |part: &[u8]| u64::from_le_bytes(part.try_into().expect("eight bytes"));
    let mut records = Vec::new();
    let mut at = 0;
    while let Some(head) = take(32) {
        let (kind, path) = (small(&head[..4]), small(&head[4..8]) as usize);
        let (file, offset, length) = (large(&head[8..16]), large(&head[16..24]), large(&head[24..]) as usize);
        let path = PathBuf::from(std::str::from_utf8(take(path).expect("a whole record")).expect("UTF-8"));
        let bytes = take(length).expect("a whole record");
        at += 32 + path.as_os_str().len() as u64 + length as u64;
        let record = match kind {
            1 => Record::Create { path, file },
            2 => Record::Write { file, at: offset, bytes: bytes.to_vec() },
            3 => Record::Truncate { file, length: offset },
            4 => Record::SyncBegin { path, file, number: offset },
            5 => Record::SyncEnd { number: offset },
            6 => Record::Unlink { path },
            8 => Record::SyncFailed { number: offset },
            7 => Record::Rename { from: path, to: std::str::from_utf8(bytes).expect("UTF-8").into() },
            other => panic!("kind {other} at {at}"),
        };
        records.push((at, record));
    }
    records
}
