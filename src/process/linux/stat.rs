//! Read under `/proc`: start times in hundredths of a second, memory of its own.

use std::fs;
use std::io::Read;
use std::sync::OnceLock;

use crate::process::identity::Stat;

/// Room for `/proc/PID/stat`: 52 numbers of at most 20 digits, and a name.
const STAT_BYTES: usize = 2048;

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

/// Memory of one process, without its descendants, in bytes; `None` where the system does not say.
#[must_use]
pub fn memory_of(pid: u32) -> Option<u64> {
    // `status` rather than `statm`: it tells swapped pages, and counts in kilobytes, not in pages of a size to be asked.
    own_memory_in(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?)
}

fn own_memory_in(status: &str) -> Option<u64> {
    let kilobytes = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().strip_suffix(" kB")?.parse::<u64>().ok()
    };
    // Kernels before 4.5 know the sum only.
    let resident = kilobytes("RssAnon:").or_else(|| kilobytes("VmRSS:"))?;
    Some((resident + kilobytes("VmSwap:").unwrap_or(0)) * 1024)
}

pub(in crate::process) fn read_stat(pid: u32) -> Option<Stat> {
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
    fn memory_of_its_own_is_what_is_not_shared_in_ram_or_swapped_out() {
        let status =
            "VmRSS:\t  9000 kB\nRssAnon:\t  3000 kB\nRssFile:\t 5000 kB\nRssShmem:\t 1000 kB\nVmSwap:\t 20 kB\n";
        assert_eq!(own_memory_in(status), Some(3020 * 1024));
        assert_eq!(own_memory_in("VmRSS:\t  9000 kB\n"), Some(9000 * 1024), "an old kernel");
        assert_eq!(own_memory_in("Name:\tkthreadd\n"), None);
        // Other tests of this process give memory back meanwhile; what is kept is not used again.
        let mut kept = Vec::new();
        wait_until("it shows", || {
            let before = memory_of(std::process::id()).unwrap();
            // A build that is optimized would leave out memory that nothing looks at.
            kept.push(std::hint::black_box(vec![1_u8; 16 << 20]));
            memory_of(std::process::id()).unwrap() >= before + (12 << 20)
        });
    }
}
