//! Control groups (cgroup v2): the kernel's own list of what belongs to a master, and to each of its workers.
//!
//! A process is in the group of its parent from its first instant, and leaves it for nothing that it does to itself: a
//! session, a user, an environment, limits. Only who may write to the hierarchy moves it (`pam_systemd` has systemd do
//! it where a login session begins), so this is one net of several. The group of a master is a folder in the group that
//! the master itself is in, and has a folder for each worker, named by its id; a worker makes its own and joins it
//! before it does anything else, as joining takes the kernel some milliseconds, for which the master does not wait.
//!
//! Knows nothing of who is in it. Where no hierarchy is mounted, or it may not be written to, there is no group, and that
//! is no error.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::unistd::{AccessFlags, access};

use crate::clock;

/// Beginning of the name of a master's group.
const PREFIX: &str = "queue-work.";
const JOIN_TRIES: u32 = 10;
/// Error of a write to a group that was removed after it was opened.
const NO_DEVICE: Option<i32> = Some(nix::errno::Errno::ENODEV as i32);
/// Folders below a hierarchy that are looked through for what a dead master has left.
const MOST_FOLDERS: usize = 100_000;
/// How long a group that has just been killed may take to be empty before its folder is left.
const REMOVE_WITHIN: Duration = Duration::from_secs(1);
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// A group: a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group(PathBuf);

impl Group {
    /// Makes the group of a master with this cookie, in that of this process. `None` where there can be none.
    #[must_use]
    pub fn make(cookie: &str) -> Option<Self> {
        let parent = own()?;
        remove_empty(&parent);
        let group = Self(parent.join(folder_name(cookie)?));
        for _ in 0..JOIN_TRIES {
            if group.make_in(&parent) {
                return Some(group);
            }
            // No group can be made here, unless another starting master has just removed it because it was still empty.
            if fs::remove_dir(&group.0).err().is_none_or(|error| error.kind() != io::ErrorKind::NotFound) {
                return None;
            }
        }
        None
    }

    /// Makes its folder. False: it cannot be used, or is gone again.
    fn make_in(&self, parent: &Path) -> bool {
        if !parent.is_dir() || fs::create_dir(&self.0).is_err() {
            return false;
        }
        // To move a process, who does it must be allowed to in the group above both.
        let may_join = [parent, &self.0].iter().all(|g| access(&g.join("cgroup.procs"), AccessFlags::W_OK).is_ok());
        let is_plain = fs::read_to_string(self.0.join("cgroup.type")).is_ok_and(|kind| kind.trim() == "domain");
        may_join && is_plain && access(&self.0.join("cgroup.kill"), AccessFlags::W_OK).is_ok()
    }

    /// At this folder.
    #[must_use]
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self(folder.into())
    }

    /// Its folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.0
    }

    /// The group of one of the workers, which need not exist.
    #[must_use]
    pub fn of_worker(&self, worker: impl std::fmt::Display) -> Self {
        Self(self.0.join(worker.to_string()))
    }

    /// Puts this process there, and so all that it starts from now on; makes the group.
    pub fn join(&self) -> io::Result<()> {
        // Another starting master may remove it in between, because it is still empty.
        for _ in 0..JOIN_TRIES {
            fs::create_dir_all(&self.0)?;
            match fs::write(self.0.join("cgroup.procs"), "0") {
                Err(error) if error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == NO_DEVICE => {}
                done => return done,
            }
        }
        Err(io::Error::other(format!("`{}` is removed again and again", self.0.display())))
    }

    /// Sends SIGKILL to all processes in it and below it, of any user, also to those just being forked.
    pub fn kill(&self) -> io::Result<()> {
        match fs::write(self.0.join("cgroup.kill"), "1") {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Whether a process lives in it or below it. Zombies do not count.
    #[must_use]
    pub fn is_populated(&self) -> bool {
        fs::read_to_string(self.0.join("cgroup.events")).is_ok_and(|events| events.lines().any(|l| l == "populated 1"))
    }

    /// Everybody in it and below it.
    #[must_use]
    pub fn members(&self) -> Vec<u32> {
        let mut members = Vec::new();
        for folder in folders_below(&self.0) {
            let procs = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
            members.extend(procs.lines().filter_map(|pid| pid.parse::<u32>().ok()));
        }
        members
    }

    /// Whether this process is in it, or below it.
    #[must_use]
    pub fn has_us(&self) -> bool {
        own().is_some_and(|own| own.starts_with(&self.0))
    }

    /// Removes its folder and all below it, if they are empty. Waits for processes that were just killed.
    pub fn remove(&self) {
        let by = clock::instant() + REMOVE_WITHIN;
        while self.is_populated() && clock::instant() < by {
            clock::pause(LOOK_EVERY);
        }
        self.remove_folders();
    }

    fn remove_folders(&self) {
        // The lowest first: a folder with folders cannot be removed.
        for folder in folders_below(&self.0).iter().rev() {
            if let Err(error) = fs::remove_dir(folder)
                && error.kind() != io::ErrorKind::NotFound
            {
                log::debug!("the control group `{}` stays: {error}", folder.display());
            }
        }
    }
}

/// The groups that masters with these cookies have left, wherever they were.
#[must_use]
pub fn left_by<'a>(cookies: impl IntoIterator<Item = &'a str>) -> Vec<Group> {
    let names: Vec<String> = cookies.into_iter().filter_map(folder_name).collect();
    if names.is_empty() {
        return Vec::new();
    }
    let is_one = |folder: &PathBuf| names.iter().any(|name| folder.ends_with(name));
    hierarchies().iter().flat_map(|h| folders_below(&h.mounted_at)).filter(is_one).map(Group).collect()
}

/// Why no group can be made, as far as that can be told without making one.
#[must_use]
pub fn why_none() -> Option<String> {
    if hierarchies().is_empty() {
        return Some("no hierarchy of version 2 is mounted".to_owned());
    }
    let Some(parent) = own() else { return Some("the group of this process cannot be seen".to_owned()) };
    let may_write = |file: &Path| access(file, AccessFlags::W_OK).is_ok();
    if may_write(&parent) && may_write(&parent.join("cgroup.procs")) {
        return None;
    }
    Some(format!("`{}` may not be written to", parent.display()))
}

/// The least of a limit such as `memory.max` in the group of this process and in those above it.
#[must_use]
pub fn limit(name: &str) -> Option<u64> {
    let own = own()?;
    own.ancestors().filter_map(|folder| fs::read_to_string(folder.join(name)).ok()?.trim().parse().ok()).min()
}

/// The worker, by the last part of its group's path, that a process belongs to, if its master has this group.
#[must_use]
pub fn worker_of(pid: u32, group: &Group) -> Option<String> {
    let path = in_proc(&pid.to_string())?;
    let name = group.0.file_name()?.to_str()?;
    let mut parts = path.split('/').skip_while(|part| *part != name);
    parts.nth(1).map(str::to_owned)
}

/// Removes the empty groups there: left by masters that were killed with their guardian and never started again. A
/// living master without workers yet loses nothing: its first worker makes the group again.
fn remove_empty(parent: &Path) {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    let ours = entries.filter(|entry| entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes()));
    for group in ours.map(|entry| Group(entry.path())).filter(|group| !group.is_populated()) {
        group.remove_folders();
    }
}

/// The cookie is what its processes are known by; a part of it is enough for a name that everybody can see.
fn folder_name(cookie: &str) -> Option<String> {
    Some(format!("{PREFIX}{}", cookie.get(..16)?))
}

/// A folder and all below it, each before those that are in it.
fn folders_below(folder: &Path) -> Vec<PathBuf> {
    let mut all = vec![folder.to_owned()];
    let mut next = 0;
    while next < all.len() && all.len() < MOST_FOLDERS {
        let entries = fs::read_dir(&all[next]).into_iter().flatten().flatten();
        let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        all.extend(folders.map(|entry| entry.path()).collect::<Vec<_>>());
        next += 1;
    }
    all
}

/// The group of this process and those above it, as far as they can be seen.
#[must_use]
pub fn own_and_above() -> Vec<PathBuf> {
    let own = own().unwrap_or_default();
    own.ancestors().take_while(|folder| folder.join("cgroup.procs").exists()).map(Path::to_owned).collect()
}

/// The folder of the group that this process is in, if there is one to be seen.
fn own() -> Option<PathBuf> {
    let path = in_proc("self")?;
    let folder = hierarchies().iter().find_map(|hierarchy| hierarchy.folder_of(&path))?;
    // In a namespace, the part that is mounted may be another than the one in `/proc/self/cgroup`.
    let procs = fs::read_to_string(folder.join("cgroup.procs")).ok()?;
    let us = std::process::id().to_string();
    procs.lines().any(|pid| pid == us).then_some(folder)
}

/// The path of a process's group, as the kernel says it.
fn in_proc(pid: &str) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    text.lines().find_map(|line| line.strip_prefix("0::").map(str::to_owned))
}

/// A hierarchy that is mounted, or a part of one.
#[derive(Debug, PartialEq, Eq)]
struct Hierarchy {
    /// The part that is mounted.
    root: String,
    mounted_at: PathBuf,
}

impl Hierarchy {
    fn folder_of(&self, path: &str) -> Option<PathBuf> {
        let below = Path::new(path).strip_prefix(&self.root).ok()?;
        Some(self.mounted_at.join(below))
    }
}

/// All that is mounted: hybrid systems have one beside those of version 1.
fn hierarchies() -> Vec<Hierarchy> {
    hierarchies_in(&fs::read_to_string("/proc/self/mountinfo").unwrap_or_default())
}

fn hierarchies_in(mountinfo: &str) -> Vec<Hierarchy> {
    let of_line = |line: &str| {
        let (mount, kind) = line.split_once(" - ")?;
        let mut fields = mount.split(' ').skip(3);
        let (root, at) = (fields.next()?, fields.next()?);
        (kind.split(' ').next() == Some("cgroup2"))
            .then(|| Hierarchy { root: unescape(root), mounted_at: unescape(at).into() })
    };
    mountinfo.lines().filter_map(of_line).collect()
}

/// Blanks and the like are octal numbers there.
fn unescape(field: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(field.to_owned(), |text, (escaped, plain)| text.replace(escaped, plain))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::identity::new_cookie;
    use crate::process::testing::wait_until;
    use std::process::{Command, Stdio};

    #[test]
    fn a_hierarchy_is_found_beside_those_of_version_1_and_a_part_of_one_too() {
        let text = "31 23 0:26 / /sys/fs/cgroup ro - tmpfs tmpfs ro\n\
                    32 31 0:27 / /sys/fs/cgroup/pids rw shared:9 - cgroup cgroup rw,pids\n\
                    33 31 0:28 / /sys/fs/cgroup/unified rw shared:10 - cgroup2 cgroup2 rw,nsdelegate\n\
                    34 31 0:28 /a\\040b /mnt/x rw - cgroup2 none rw\nnonsense\n";
        let found = hierarchies_in(text);
        let of = |path: &str| found.iter().map(|h| h.folder_of(path)).collect::<Vec<_>>();
        let plain = Some(PathBuf::from("/sys/fs/cgroup/unified/a b/c"));
        assert_eq!(of("/a b/c"), [plain, Some(PathBuf::from("/mnt/x/c"))]);
        assert_eq!(of("/other"), [Some(PathBuf::from("/sys/fs/cgroup/unified/other")), None]);
    }

    #[test]
    fn what_is_in_a_group_is_found_and_killed_with_all_that_it_starts() {
        let cookie = new_cookie().unwrap();
        let Some(group) = Group::make(&cookie) else {
            println!("skipped: no control group can be made here");
            return;
        };
        let worker = group.of_worker(7);
        let script = format!(
            "mkdir -p {0} && echo $$ > {0}/cgroup.procs && setsid -f env -i sleep 1000 && echo ready; exec sleep 1000",
            worker.folder().display()
        );
        let mut child = Command::new("/bin/sh").args(["-c", &script]).stdout(Stdio::piped()).spawn().unwrap();
        wait_until("two are in it", || group.members().len() == 2 && worker.members().len() == 2);
        assert!(group.is_populated() && !group.has_us());
        assert_eq!(worker_of(child.id(), &group).as_deref(), Some("7"));
        assert_eq!(left_by([cookie.as_str()]).len(), 1);
        worker.kill().unwrap();
        child.wait().unwrap();
        wait_until("all are dead", || !worker.is_populated());
        group.remove();
        assert!(!group.folder().exists());
        assert_eq!(left_by([cookie.as_str()]), []);
        worker.kill().unwrap();
    }
}
