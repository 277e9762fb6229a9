//! What a disk holds for sure, what it may hold, and the files that a power cut can leave of it.
//!
//! The model is the weakest that a file system may offer: of what was written since the last sync of a file any part
//! may be there, in any order, torn at sectors; a sync of a file covers that file alone, not its name; names that were
//! made, removed or changed are safe when their folder was synced. What a sync was to cover that failed is never safe,
//! whatever later syncs say, unless it is written anew: so Linux does it. A `-shm` does not survive: it is memory.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use super::dice::Dice;
use super::shim::Record;

/// Written at once or not.
const SECTOR: usize = 512;

/// What is left of that which was not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Left {
    Nothing,
    Everything,
    /// What was done first.
    Prefix,
    /// Any part, in any order.
    Subset,
    /// What was done first; of the last write some sectors.
    Torn,
}

impl Left {
    pub(crate) const ALL: [Self; 5] = [Self::Nothing, Self::Everything, Self::Prefix, Self::Subset, Self::Torn];
}

/// A change of a file that is not synced.
#[derive(Clone, Debug)]
enum Change {
    Write { at: usize, bytes: Vec<u8> },
    Truncate(usize),
}

#[derive(Clone, Debug)]
struct Loose {
    number: u64,
    change: Change,
    /// A sync of it has failed.
    given_up: bool,
}

impl Loose {
    /// What is left of it, if it is older, once `newer` is on the disk.
    fn without(self, newer: &Self) -> Vec<Self> {
        let (Change::Write { at, bytes }, Change::Write { at: from, bytes: over }) = (&self.change, &newer.change)
        else {
            return vec![self];
        };
        let to = from + over.len();
        if self.number > newer.number || to <= *at || at + bytes.len() <= *from {
            return vec![self];
        }
        let part = |at: usize, bytes: &[u8]| Self { change: Change::Write { at, bytes: bytes.to_vec() }, ..self };
        let before = part(*at, &bytes[..from.saturating_sub(*at).min(bytes.len())]);
        let after = part(to.max(*at), &bytes[to.saturating_sub(*at).min(bytes.len())..]);
        vec![before, after]
    }
}

#[derive(Clone, Debug, Default)]
struct Content {
    safe: Vec<u8>,
    /// In order.
    loose: Vec<Loose>,
}

/// A change of the folder that is not synced.
#[derive(Clone, Debug)]
enum Naming {
    /// The name means this file.
    Is(PathBuf, usize),
    /// Nothing has the name.
    Gone(PathBuf),
}

/// A sync that has begun: what it covers.
#[derive(Debug)]
enum Sync {
    File(usize, u64),
    Folder(u64),
}

/// The disk.
pub(crate) struct Platter {
    folder: PathBuf,
    /// Changes so far.
    count: u64,
    files: Vec<Content>,
    /// By inode: the number is used again when a file is gone.
    known: HashMap<u64, usize>,
    names: BTreeMap<PathBuf, usize>,
    safe_names: BTreeMap<PathBuf, usize>,
    loose_names: Vec<(u64, Naming)>,
    syncs: HashMap<u64, Sync>,
}

fn change(content: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Write { at, bytes } => {
            content.resize(content.len().max(at + bytes.len()), 0);
            content[*at..at + bytes.len()].copy_from_slice(bytes);
        }
        Change::Truncate(length) => content.resize(*length, 0),
    }
}

fn name(names: &mut BTreeMap<PathBuf, usize>, naming: &Naming) {
    match naming {
        Naming::Is(path, file) => drop(names.insert(path.clone(), *file)),
        Naming::Gone(path) => drop(names.remove(path)),
    }
}

impl Platter {
    /// An empty folder.
    pub(crate) fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            count: 0,
            files: Vec::new(),
            known: HashMap::new(),
            names: BTreeMap::new(),
            safe_names: BTreeMap::new(),
            loose_names: Vec::new(),
            syncs: HashMap::new(),
        }
    }

    /// The next thing that was done.
    pub(crate) fn take(&mut self, record: &Record) {
        self.count += 1;
        match record {
            Record::Create { path, file } => {
                self.known.insert(*file, self.files.len());
                self.rename(Naming::Is(path.clone(), self.files.len()));
                self.files.push(Content::default());
            }
            Record::Write { file, at, bytes } => {
                self.change(*file, Change::Write { at: *at as usize, bytes: bytes.clone() });
            }
            Record::Truncate { file, length } => self.change(*file, Change::Truncate(*length as usize)),
            Record::Unlink { path } => self.rename(Naming::Gone(path.clone())),
            Record::Rename { from, to } => {
                // A socket has a name and was never made by an open.
                if let Some(&file) = self.names.get(from) {
                    self.rename(Naming::Is(to.clone(), file));
                }
                self.rename(Naming::Gone(from.clone()));
            }
            Record::SyncBegin { path, file, number } => {
                let sync = if *path == self.folder {
                    Sync::Folder(self.count)
                } else {
                    Sync::File(self.known[file], self.count)
                };
                self.syncs.insert(*number, sync);
            }
            Record::SyncFailed { number } => {
                if let Sync::File(file, count) = self.syncs.remove(number).expect("it has begun") {
                    let covered = self.files[file].loose.iter_mut().filter(|l| l.number <= count);
                    covered.for_each(|l| l.given_up = true);
                }
            }
            Record::SyncEnd { number } => match self.syncs.remove(number).expect("it has begun") {
                Sync::File(file, count) => {
                    let Content { safe, loose } = &mut self.files[file];
                    let covered: Vec<Loose> = loose.extract_if(.., |l| l.number <= count && !l.given_up).collect();
                    for newer in covered {
                        *loose = loose.drain(..).flat_map(|older| older.without(&newer)).collect();
                        change(safe, &newer.change);
                    }
                }
                Sync::Folder(count) => {
                    let covered = self.loose_names.extract_if(.., |(n, _)| *n <= count);
                    covered.for_each(|(_, naming)| name(&mut self.safe_names, &naming));
                }
            },
        }
    }

    fn change(&mut self, file: u64, change: Change) {
        let file = self.known[&file];
        self.files[file].loose.push(Loose { number: self.count, change, given_up: false });
    }

    fn rename(&mut self, naming: Naming) {
        name(&mut self.names, &naming);
        self.loose_names.push((self.count, naming));
    }

    /// The files of the database as a power cut leaves them now, by name.
    pub(crate) fn image(&self, left: Left, dice: &mut Dice) -> Vec<(String, Vec<u8>)> {
        // One moment for all files, as when a disk keeps the order; `Subset` has none.
        let until = dice.below(self.count as usize + 1) as u64;
        let loose = self.files.iter().filter_map(|f| f.loose.first()).map(|l| l.number);
        let first = loose.chain(self.loose_names.first().map(|(n, _)| *n)).min().unwrap_or(self.count);
        let until = first.max(until.max(self.count.saturating_sub(dice.below(64) as u64)));
        let mut stays = |number: u64| match left {
            Left::Nothing => false,
            Left::Everything => true,
            Left::Prefix | Left::Torn => number <= until,
            Left::Subset => dice.toss(),
        };
        let mut names = self.safe_names.clone();
        for (number, naming) in &self.loose_names {
            if stays(*number) {
                name(&mut names, naming);
            }
        }
        let mut image = Vec::new();
        for (path, file) in names {
            let Some(of_database) = database_file(&path) else { continue };
            let Content { safe, loose } = &self.files[file];
            let mut content = safe.clone();
            let staying: Vec<&Change> = loose.iter().filter(|l| stays(l.number)).map(|l| &l.change).collect();
            for (at, c) in staying.iter().enumerate() {
                match c {
                    Change::Write { at: place, bytes } if left == Left::Torn && at + 1 == staying.len() => {
                        tear(&mut content, *place, bytes, until);
                    }
                    whole => change(&mut content, whole),
                }
            }
            image.push((of_database, content));
        }
        image
    }
}

/// Some sectors of a write, chosen by `which`.
fn tear(content: &mut Vec<u8>, at: usize, bytes: &[u8], which: u64) {
    let mut from = 0;
    while from < bytes.len() {
        // To the end of the sector of the disk.
        let to = (from + SECTOR - (at + from) % SECTOR).min(bytes.len());
        if !(which ^ (from / SECTOR) as u64).is_multiple_of(3) {
            change(content, &Change::Write { at: at + from, bytes: bytes[from..to].to_vec() });
        }
        from = to;
    }
}

/// Its name, if the file is the database or belongs to it and survives.
fn database_file(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    ["q.db", "q.db-wal", "q.db-journal"].contains(&name).then(|| name.to_owned())
}
