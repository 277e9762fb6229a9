//! What `/proc` says of a process: its children, its memory, its CPU time.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::Outcome;

/// Ids of the threads of a process.
fn threads(pid: u32) -> Outcome<Vec<String>> {
    let entries = fs::read_dir(format!("/proc/{pid}/task"))?;
    Ok(entries.flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect())
}

/// Its children, whichever of its threads started them.
pub(crate) fn children(pid: u32) -> Outcome<Vec<u32>> {
    let mut all = Vec::new();
    for thread in threads(pid)? {
        let text = fs::read_to_string(format!("/proc/{pid}/task/{thread}/children")).unwrap_or_default();
        all.extend(text.split_ascii_whitespace().filter_map(|word| word.parse::<u32>().ok()));
    }
    Ok(all)
}

/// Its first argument, which says what it is; empty for one that is gone.
pub(crate) fn program(pid: u32) -> String {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let first = bytes.split(|b| *b == 0).next().unwrap_or_default();
    String::from_utf8_lossy(first).into_owned()
}

/// Nanoseconds that the threads it has now have been on a CPU.
pub(crate) fn cpu_ns(pid: u32) -> Outcome<u64> {
    let mut all = 0;
    for thread in threads(pid)? {
        let text = fs::read_to_string(format!("/proc/{pid}/task/{thread}/schedstat"))?;
        let first = text.split_ascii_whitespace().next().unwrap_or_default();
        all += first.parse::<u64>()?;
    }
    Ok(all)
}

/// Clock ticks (hundredths of a second) of user and system time.
pub(crate) fn cpu_ticks(pid: u32) -> Outcome<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name of the program may contain anything, a parenthesis as well.
    let fields = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks = fields.split_ascii_whitespace().skip(11).take(2).map(str::parse::<u64>);
    Ok(ticks.sum::<Result<u64, _>>()?)
}

/// A line such as `VmRSS:  1234 kB` of one of its files, in KiB.
fn kib(pid: u32, file: &str, names: &[&str]) -> Outcome<u64> {
    let path = format!("/proc/{pid}/{file}");
    let text = fs::read_to_string(&path).map_err(|e| format!("cannot read `{path}`: {e}"))?;
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    let values = lines.filter(|(name, _)| names.contains(name)).map(|(_, rest)| {
        let number = rest.split_ascii_whitespace().next().unwrap_or_default();
        number.parse::<u64>()
    });
    Ok(values.sum::<Result<u64, _>>()?)
}

/// Resident memory.
pub(crate) fn resident_kib(pid: u32) -> Outcome<u64> {
    kib(pid, "status", &["VmRSS"])
}

/// The most resident memory so far.
pub(crate) fn peak_kib(pid: u32) -> Outcome<u64> {
    kib(pid, "status", &["VmHWM"])
}

/// Its share of memory: what it shares with others is divided among them.
pub(crate) fn share_kib(pid: u32) -> Outcome<u64> {
    kib(pid, "smaps_rollup", &["Pss"])
}

/// Memory that nobody else has.
pub(crate) fn private_kib(pid: u32) -> Outcome<u64> {
    kib(pid, "smaps_rollup", &["Private_Clean", "Private_Dirty"])
}

/// The thread of a process that starts its children.
#[derive(Debug)]
pub(crate) struct Parent {
    file: String,
}

/// Finds the thread that has started all children; there must be one already.
pub(crate) fn parent_thread(pid: u32) -> Outcome<Parent> {
    let files = threads(pid)?.into_iter().map(|thread| format!("/proc/{pid}/task/{thread}/children"));
    let with_children = |file: &String| fs::read_to_string(file).is_ok_and(|text| !text.trim().is_empty());
    let found: Vec<String> = files.filter(with_children).collect();
    match <[String; 1]>::try_from(found) {
        Ok([file]) => Ok(Parent { file }),
        Err(all) => Err(format!("{} threads have children, not one", all.len()).into()),
    }
}

impl Parent {
    /// Its children now.
    pub(crate) fn children(&self) -> Outcome<Vec<u32>> {
        let text = fs::read_to_string(&self.file)?;
        Ok(text.split_ascii_whitespace().filter_map(|word| word.parse().ok()).collect())
    }
}

/// Writes, flushes among them, that the disk of a folder has completed, by whoever; `None` where there is no disk.
pub(crate) fn disk_writes(folder: &Path) -> Option<u64> {
    let device = fs::metadata(folder).ok()?.dev();
    let (major, minor) = (nix::sys::stat::major(device), nix::sys::stat::minor(device));
    let text = fs::read_to_string(format!("/sys/dev/block/{major}:{minor}/stat")).ok()?;
    text.split_ascii_whitespace().nth(4)?.parse().ok()
}
