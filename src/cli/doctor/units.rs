//! Units of systemd that start a master, read from their files: also before they were ever started.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::report::doctor::Unit;

/// The folders of the system, those that win first.
const OF_SYSTEM: [&str; 4] =
    ["/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system"];
const OF_ALL_USERS: &str = "/etc/systemd/user";
/// Where a unit says nothing.
const USUAL_STOP_TIMEOUT: Duration = Duration::from_secs(90);
/// Signs before the program in `ExecStart=`.
const SIGNS: [char; 5] = ['-', '@', ':', '+', '!'];

/// Units of the system and of this user.
pub(super) fn of_this_machine() -> Vec<Unit> {
    let folder = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let own = folder("XDG_CONFIG_HOME").or_else(|| Some(folder("HOME")?.join(".config")));
    let of_user = own.map(|own| own.join("systemd/user")).into_iter().chain([PathBuf::from(OF_ALL_USERS)]);
    let folders = OF_SYSTEM.map(PathBuf::from).into_iter().map(|folder| (folder, false));
    let mut units: Vec<Unit> = Vec::new();
    for (folder, is_users) in folders.chain(of_user.map(|folder| (folder, true))) {
        for unit in in_folder(&folder, is_users) {
            if !units.iter().any(|known| known.name == unit.name && known.is_users == is_users) {
                units.push(unit);
            }
        }
    }
    units
}

fn in_folder(folder: &Path, is_users: bool) -> Vec<Unit> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let files = entries.filter(|path| path.extension().is_some_and(|ending| ending == "service"));
    let mut units: Vec<Unit> = files.filter_map(|file| unit(&file, is_users)).collect();
    units.sort_by(|one, other| one.name.cmp(&other.name));
    units
}

/// `None`: it starts something else.
fn unit(file: &Path, is_users: bool) -> Option<Unit> {
    // A link to `/dev/null` masks a unit, and reads as empty.
    let mut text = std::fs::read_to_string(file).ok()?;
    let mut more: Vec<PathBuf> = std::fs::read_dir(with_ending(file, ".d"))
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "conf"))
        .collect();
    more.sort();
    for part in more {
        text.push('\n');
        text.push_str(&std::fs::read_to_string(part).unwrap_or_default());
    }
    let name = file.file_name()?.to_string_lossy().into_owned();
    starts_master(&text).then(|| Unit { name, is_users, stop_timeout: stop_timeout(&text) })
}

fn with_ending(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// The values of a key, in order.
fn values<'a>(text: &'a str, key: &'a str) -> impl Iterator<Item = &'a str> {
    text.lines().filter_map(move |line| line.trim().strip_prefix(key)?.trim_start().strip_prefix('=')).map(str::trim)
}

fn starts_master(text: &str) -> bool {
    let program = |value: &str| value.trim_start_matches(SIGNS).split_ascii_whitespace().next().map(PathBuf::from);
    values(text, "ExecStart")
        .filter_map(program)
        .any(|program| program.file_name().is_some_and(|name| name == "queue-work"))
}

/// The last one counts; `None`: for ever.
fn stop_timeout(text: &str) -> Option<Duration> {
    let mut both = text.lines().map(str::trim).filter_map(|line| {
        let (key, value) = line.split_once('=')?;
        matches!(key.trim(), "TimeoutStopSec" | "TimeoutSec").then_some(value.trim())
    });
    match both.next_back() {
        None | Some("") => Some(USUAL_STOP_TIMEOUT),
        Some(value) => span(value).filter(|span| !span.is_zero()),
    }
}

/// `60`, `1min 30s`; `None`: for ever, or nothing that can be read.
fn span(text: &str) -> Option<Duration> {
    let mut total = Duration::ZERO;
    let mut rest = text.trim();
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let number: u64 = rest[..end].parse().ok()?;
        let unit = rest[end..].trim_start();
        let length = unit.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(unit.len());
        total += match &unit[..length] {
            "" | "s" | "sec" | "second" | "seconds" => Duration::from_secs(number),
            "ms" | "msec" => Duration::from_millis(number),
            "us" | "usec" => Duration::from_micros(number),
            "m" | "min" | "minute" | "minutes" => Duration::from_secs(number.saturating_mul(60)),
            "h" | "hr" | "hour" | "hours" => Duration::from_secs(number.saturating_mul(3600)),
            _ => return None,
        };
        rest = unit[length..].trim_start();
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_that_starts_a_master_is_told_with_the_time_it_has_to_stop() {
        let of = |text: &str| (starts_master(text), stop_timeout(text));
        let seconds = |n| Some(Duration::from_secs(n));
        for (text, expected) in [
            ("[Service]\nExecStart=/usr/bin/queue-work --queue mail\n", (true, seconds(90))),
            ("ExecStart=-queue-work\nTimeoutStopSec=60", (true, seconds(60))),
            ("ExecStart = /opt/queue-work start\nTimeoutSec=5min\nTimeoutStopSec = 1min 30s", (true, seconds(90))),
            ("ExecStart=/usr/bin/queue-work\nTimeoutStopSec=infinity", (true, None)),
            ("ExecStart=/usr/bin/queue-work\nTimeoutStopSec=0", (true, None)),
            ("ExecStart=/usr/bin/queue-work\nTimeoutStopSec=10\nTimeoutStopSec=", (true, seconds(90))),
            ("#ExecStart=/usr/bin/queue-work\nExecStart=/usr/bin/other queue-work", (false, seconds(90))),
            ("ExecStartPre=/usr/bin/queue-work config check\nExecStart=/bin/x", (false, seconds(90))),
        ] {
            assert_eq!(of(text), expected, "{text}");
        }
        assert_eq!(
            [span("1500ms"), span("2h"), span("soon"), span("")],
            [Some(Duration::from_millis(1500)), seconds(7200), None, Some(Duration::ZERO)]
        );
    }

    #[test]
    fn what_a_drop_in_says_wins_over_the_unit() {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("queue-work.service");
        std::fs::write(&file, "[Service]\nExecStart=/usr/bin/queue-work\nTimeoutStopSec=60\n").expect("written");
        std::fs::write(dir.path().join("other.service"), "[Service]\nExecStart=/bin/other\n").expect("written");
        std::fs::create_dir(dir.path().join("queue-work.service.d")).expect("made");
        std::fs::write(dir.path().join("queue-work.service.d/a.conf"), "[Service]\nTimeoutStopSec=5\n")
            .expect("written");
        let name = "queue-work.service".to_owned();
        let expected = Unit { name, is_users: true, stop_timeout: Some(Duration::from_secs(5)) };
        assert_eq!(in_folder(dir.path(), true), [expected]);
        assert_eq!(in_folder(&dir.path().join("nosuch"), false), []);
    }
}
