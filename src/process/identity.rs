//! Recognises a process: its id, its start time, the boot it ran in; and the cookie of an instance.
//!
//! Reads `/proc` only. Invariant: two processes never have the same [`Identity`], however often ids are used again.

use std::fs;
use std::io::{self, Read};
use std::sync::OnceLock;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::processor::ForeignProcess;

/// How long [`Identity::stays_alive`] looks.
const LOOKS: u32 = 200;
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);
/// Room for `/proc/PID/stat`: 52 numbers of at most 20 digits, and a name.
const STAT_BYTES: usize = 2048;

/// Start time of a process that `/proc` hides: it counts as alive as long as its id belongs to another user.
pub const HIDDEN: u64 = u64::MAX;

/// One process: its pid can be given to another, pid and start time cannot.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Identity {
    /// Its process id.
    pub pid: u32,
    /// When it started, in ticks since the machine did.
    pub start: u64,
    /// The boot of the machine in which it ran.
    pub boot_id: String,
}

impl Identity {
    /// The process that has this id now; `None` if there is none. A zombie has an identity too.
    #[must_use]
    pub fn of(pid: u32) -> Option<Self> {
        Some(Self { pid, start: start_time(pid)?, boot_id: boot_id().to_owned() })
    }

    /// Whether this very process still runs after two seconds. A killed process releases its files, and their locks, a
    /// moment before it is gone.
    #[must_use]
    pub fn stays_alive(&self) -> bool {
        (0..LOOKS).all(|_| {
            crate::clock::pause(BETWEEN_LOOKS);
            self.is_alive()
        })
    }

    /// Whether this very process still runs. A zombie does not.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        let seen = || read_stat(self.pid).is_some_and(|stat| stat.is_alive_since(self.start));
        self.boot_id == boot_id() && (seen() || (self.start == HIDDEN && is_hidden(self.pid)))
    }
}

/// Whether the process that started then still runs, in this boot. A process that `/proc` hides from us (`hidepid`), as
/// it has become another user's or always was, counts as running until its id is free.
#[must_use]
pub fn is_alive(pid: u32, start: u64) -> bool {
    match read_stat(pid) {
        Some(seen) => seen.is_alive_since(start),
        None => is_hidden(pid),
    }
}

/// Whether `/proc` hides a process from us, which is another user's.
fn is_hidden(pid: u32) -> bool {
    let id = i32::try_from(pid).ok().filter(|&id| id > 0).map(nix::unistd::Pid::from_raw);
    id.is_some_and(|id| nix::sys::signal::kill(id, None) == Err(nix::errno::Errno::EPERM)) && read_stat(pid).is_none()
}

/// Whether `/proc` hides the processes of other users from us.
#[must_use]
pub fn others_are_hidden() -> bool {
    is_hidden(1)
}

/// A process of this machine that runs, as it is put on record.
#[must_use]
pub fn on_record(pid: u32) -> Option<ForeignProcess> {
    let Identity { pid, start, boot_id } = Identity::of(pid).filter(Identity::is_alive)?;
    Some(ForeignProcess { host: host(), pid, start, boot_id })
}

/// The state of a process as the kernel names it (`R`, `S`, `D`, `T`, `t`, `Z` …); `None` if there is none to be seen.
#[must_use]
pub fn state_of(pid: u32) -> Option<char> {
    read_stat(pid).map(|stat| char::from(stat.state))
}

/// When the process started, in ticks since the machine did; [`HIDDEN`] where `/proc` does not let us see that.
#[must_use]
pub fn start_time(pid: u32) -> Option<u64> {
    read_stat(pid).map(|stat| stat.start).or_else(|| is_hidden(pid).then_some(HIDDEN))
}

/// Identity of this boot of the machine; empty where the kernel does not say.
#[must_use]
pub fn boot_id() -> &'static str {
    static BOOT_ID: OnceLock<String> = OnceLock::new();
    BOOT_ID.get_or_init(|| {
        let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        text.trim().to_owned()
    })
}

/// Name of this machine; empty where the kernel does not say.
#[must_use]
pub fn host() -> String {
    let text = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    text.trim().to_owned()
}

/// Where our process ids count; empty where the kernel does not say.
#[must_use]
pub fn pid_namespace() -> String {
    let link = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    link.to_string_lossy().chars().filter(char::is_ascii_digit).collect()
}

/// A secret name for one generation: 128 random bits, in hexadecimal.
pub fn new_cookie() -> io::Result<String> {
    use std::fmt::Write;
    let mut bytes = [0_u8; 16];
    fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().fold(String::with_capacity(32), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    }))
}

/// The parent of a process; `None` if it is gone.
#[must_use]
pub fn parent_of(pid: u32) -> Option<u32> {
    let mut space = [0; STAT_BYTES];
    let stat = stat_of(pid, &mut space)?;
    let end = stat.iter().rposition(|&b| b == b')')?;
    std::str::from_utf8(&stat[end + 1..]).ok()?.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// The children of a process, in any state; children of each of its threads. Empty if it is gone.
#[must_use]
pub fn children_of(pid: u32) -> Vec<u32> {
    let mut children = Vec::new();
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return children };
    for thread in threads.flatten() {
        let Ok(text) = fs::read_to_string(thread.path().join("children")) else { continue };
        children.extend(text.split_ascii_whitespace().filter_map(|id| id.parse::<u32>().ok()));
    }
    children
}

/// Numbers that change when a process does anything worth measuring: start, page faults, CPU ticks, resident pages. One
/// read, the cheapest there is; `None` for a zombie or no process.
#[must_use]
pub fn activity_of(pid: u32) -> Option<[u64; 4]> {
    let mut space = [0; STAT_BYTES];
    let stat = stat_of(pid, &mut space)?;
    let Stat { state, start } = parse_stat(stat)?;
    let end = stat.iter().rposition(|&b| b == b')')?;
    let numbers = std::str::from_utf8(&stat[end + 1..]).ok()?.split_ascii_whitespace().skip(1);
    let numbers: Vec<u64> = numbers.take(21).map(|n| n.parse().unwrap_or(0)).collect();
    // By the numbers of proc(5): 10 minflt, 14 utime, 15 stime, 24 rss; the first here is field 4.
    let field = |n: usize| numbers.get(n - 4).copied();
    (state != b'Z').then_some([start, field(10)?, field(14)? + field(15)?, field(24)?])
}

struct Stat {
    state: u8,
    start: u64,
}

impl Stat {
    fn is_alive_since(&self, start: u64) -> bool {
        self.start == start && !matches!(self.state, b'Z' | b'X' | b'x')
    }
}

fn read_stat(pid: u32) -> Option<Stat> {
    parse_stat(stat_of(pid, &mut [0; STAT_BYTES])?)
}

/// The kernel gives all of it in one read, where there is room.
fn stat_of(pid: u32, space: &mut [u8; STAT_BYTES]) -> Option<&[u8]> {
    let n = fs::File::open(format!("/proc/{pid}/stat")).ok()?.read(space).ok()?;
    space.get(..n)
}

/// The name, in parentheses, may hold anything, `)` and newlines too; what follows the last `)` is numbers.
fn parse_stat(stat: &[u8]) -> Option<Stat> {
    let end = stat.iter().rposition(|&b| b == b')')?;
    let mut fields = std::str::from_utf8(&stat[end + 1..]).ok()?.split_ascii_whitespace();
    let state = *fields.next()?.as_bytes().first()?;
    // The state is field 3, the start time field 22.
    Some(Stat { state, start: fields.nth(18)?.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::testing::wait_until;
    use std::process::Command;

    #[test]
    fn the_start_time_is_read_behind_any_name() {
        let rest = (4..=21).map(|n| n.to_string()).collect::<Vec<_>>().join(" ");
        for name in ["sh", "a b", "a) R 1 2", ")", "x\ny) Z", ""] {
            let stat = parse_stat(format!("12 ({name}) S {rest} 987654 23 24\n").as_bytes()).unwrap();
            assert_eq!((stat.state, stat.start), (b'S', 987_654), "{name:?}");
        }
        for broken in ["", "12 (sh", "12 (sh) ", "12 (sh) S 1 2 3"] {
            assert!(parse_stat(broken.as_bytes()).is_none(), "{broken:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_stat_is_read_behind_any_name_and_any_bytes_do_no_harm(
            name in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..40),
            start in proptest::prelude::any::<u64>(),
            cut in proptest::prelude::any::<proptest::sample::Index>(),
        ) {
            let rest = (4..=21).map(|n| n.to_string()).collect::<Vec<_>>().join(" ");
            let mut stat = b"12 (".to_vec();
            stat.extend_from_slice(&name);
            stat.extend_from_slice(format!(") R {rest} {start} 23 24 25\n").as_bytes());
            let read = parse_stat(&stat).expect("it is whole");
            proptest::prop_assert_eq!((read.state, read.start), (b'R', start));
            // Half of it, or what is no stat at all, is nobody.
            let _ = parse_stat(&stat[..cut.index(stat.len())]);
            let _ = parse_stat(&name);
        }
    }

    #[test]
    fn we_are_alive_and_somebody_with_our_id_but_another_start_or_boot_is_not_us() {
        let us = Identity::of(std::process::id()).unwrap();
        assert!(us.is_alive());
        assert!(!Identity { start: us.start + 1, ..us.clone() }.is_alive());
        assert!(!Identity { boot_id: "another".to_owned(), ..us }.is_alive());
        assert_eq!(Identity::of(u32::MAX), None);
    }

    #[test]
    fn a_zombie_counts_as_dead() {
        let mut child = Command::new("/bin/sh").args(["-c", "exec sleep 1000"]).spawn().unwrap();
        let identity = Identity::of(child.id()).unwrap();
        assert!(identity.is_alive());
        child.kill().unwrap();
        wait_until("the zombie counts as dead", || !identity.is_alive());
        assert!(Identity::of(child.id()).is_some(), "it is not reaped, so its id is still taken");
        child.wait().unwrap();
    }

    #[test]
    fn whatever_a_process_does_changes_its_activity() {
        let mut asleep = Command::new("/bin/sleep").arg("1000").spawn().unwrap();
        wait_until("it sleeps", || activity_of(asleep.id()).is_some_and(|a| Some(a) == activity_of(asleep.id())));
        asleep.kill().unwrap();
        wait_until("its end shows", || activity_of(asleep.id()).is_none());
        asleep.wait().unwrap();
        let before = activity_of(std::process::id()).unwrap();
        // More than any allocator keeps of what was freed before: these are new pages.
        let memory = std::hint::black_box(vec![1_u8; 64 * 1024 * 1024]);
        let after = activity_of(std::process::id()).unwrap();
        assert!(after[1] > before[1] && after[3] > 0, "{before:?} {after:?}");
        drop(memory);
    }

    #[test]
    fn children_are_found_whichever_thread_made_them() {
        let mut child = std::thread::spawn(|| Command::new("/bin/sleep").arg("1000").spawn().unwrap()).join().unwrap();
        assert!(children_of(std::process::id()).contains(&child.id()));
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn cookies_are_long_and_never_the_same() {
        let (a, b) = (new_cookie().unwrap(), new_cookie().unwrap());
        assert_ne!(a, b);
        assert!(a.len() == 32 && a.bytes().all(|c| c.is_ascii_hexdigit()));
        assert_eq!(boot_id().len(), 36);
    }
}
