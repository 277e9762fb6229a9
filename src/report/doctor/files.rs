//! The store, as files on a disk.

use super::super::health::{Check, Mark, check};
use super::super::words;
use super::{Facts, Stored};
use crate::store::exam::Exam;

/// The log is moved to the database long before, unless somebody reads.
const LONG_LOG: u64 = 96 << 20;
/// Free bytes below which a write may fail at any moment, and below which it is time to look.
const NO_ROOM: u64 = 16 << 20;
const LITTLE_ROOM: u64 = 256 << 20;
const FEW_FILES: u64 = 1_000;

fn stored(facts: &Facts) -> Option<&Stored> {
    facts.store.as_ref()
}

fn exam(facts: &Facts) -> Option<&Exam> {
    stored(facts)?.exam.as_ref()?.as_ref().ok()
}

/// One finding or none.
fn one(name: &'static str, found: Option<(Mark, String)>, fine: impl Into<String>) -> Check {
    check(name, found.into_iter().collect(), fine.into())
}

pub(super) fn database(facts: &Facts) -> Check {
    let Some(stored) = stored(facts) else {
        let text = "where it is cannot be said while the configuration is not valid; see `queue-work config check`";
        return one("database", Some((Mark::Fail, text.to_owned())), "");
    };
    let path = &stored.path;
    match &stored.exam {
        None => one("database", None, format!("`{path}` is not there yet: the first push makes it")),
        Some(Err(text)) => one("database", Some((Mark::Fail, text.clone())), ""),
        Some(Ok(exam)) => one("database", None, format!("`{path}` can be read, {}", words::bytes(exam.size.bytes))),
    }
}

pub(super) fn schema(facts: &Facts) -> Check {
    let found = exam(facts).and_then(|exam| {
        let (found, known) = (exam.schema, exam.known_schema);
        if found > known {
            let text =
                format!("its tables are of version {found}, this program knows {known}; use the newer `queue-work`");
            return Some((Mark::Fail, text));
        }
        let text = format!(
            "its tables are of version {found}, those of this program of {known}; what is read or written next brings \
             them up to date, such as `queue-work status`"
        );
        (found < known).then_some((Mark::Warn, text))
    });
    one("schema", found, "no tables of another version")
}

pub(super) fn integrity(facts: &Facts) -> Check {
    let Some(exam) = exam(facts) else { return one("integrity", None, "there is nothing that could be damaged") };
    if let Some(first) = exam.damage.first() {
        let (more, path) = (exam.damage.len() - 1, stored(facts).map_or("", |stored| &stored.path));
        let more = if more > 0 { format!(", and {more} more") } else { String::new() };
        let text = format!(
            "it is damaged ({first}{more}); keep the file and its `-wal`, and put back a copy, or try one that \
             `sqlite3 {path} \"VACUUM INTO 'copy.db'\"` makes"
        );
        return one("integrity", Some((Mark::Fail, text)), "");
    }
    let fine = if exam.unchecked.is_empty() {
        "all tables are whole".to_owned()
    } else {
        let left = words::list(&exam.unchecked);
        format!("whole as far as there was time, without {left}; `queue-work doctor --full` takes it")
    };
    one("integrity", None, fine)
}

pub(super) fn log(facts: &Facts) -> Check {
    let found = exam(facts).filter(|exam| exam.size.log_bytes > LONG_LOG).map(|exam| {
        let size = words::bytes(exam.size.log_bytes);
        let readers = stored(facts).map_or(&[][..], |stored| &stored.readers);
        let text = match readers.first() {
            Some((pid, name)) => format!(
                "the write-ahead log has grown to {size}: process {pid} (`{name}`) reads the database and does not end its \
                 transaction; end it with `kill {pid}`"
            ),
            None => format!(
                "the write-ahead log has grown to {size}, and nobody reads at this moment: a program reads again and \
                 again; see who has it open with `fuser -v {}`",
                stored(facts).map_or("", |stored| &stored.path)
            ),
        };
        (Mark::Warn, text)
    });
    one("log", found, "the write-ahead log is short")
}

pub(super) fn file_system(facts: &Facts) -> Check {
    let is_allowed = facts.configuration.as_ref().is_ok_and(|setup| setup.config.network_fs);
    let mark = if is_allowed { Mark::Warn } else { Mark::Fail };
    let remote = stored(facts).and_then(|stored| stored.dangers.remote.clone());
    one("file_system", remote.map(|text| (mark, text)), "the database is on a disk of this machine")
}

pub(super) fn owner(facts: &Facts) -> Check {
    let is_allowed = facts.configuration.as_ref().is_ok_and(|setup| setup.config.shared_folder);
    let mark = if is_allowed { Mark::Warn } else { Mark::Fail };
    let shared = stored(facts).and_then(|stored| stored.dangers.shared.clone());
    one("owner", shared.map(|text| (mark, text)), "nobody else can write to the database")
}

pub(super) fn space(facts: &Facts) -> Check {
    let Some((stored, room)) = stored(facts).and_then(|stored| Some((stored, stored.room?))) else {
        return one("space", None, "the file system does not say");
    };
    let free = words::bytes(room.free_bytes);
    let text = || format!("only {free} of {} are free there; see `df -h {}`", words::bytes(room.bytes), stored.path);
    let found = match room.free_bytes {
        0..NO_ROOM => Some((Mark::Fail, text())),
        NO_ROOM..LITTLE_ROOM => Some((Mark::Warn, text())),
        _ => None,
    };
    one("space", found, format!("{free} are free"))
}

pub(super) fn inodes(facts: &Facts) -> Check {
    let scarce = stored(facts).and_then(|stored| Some((stored, stored.room?)));
    let scarce = scarce.filter(|(_, room)| room.files > 0 && room.free_files < FEW_FILES).map(|(stored, room)| {
        let files = words::count(room.free_files, "file");
        (Mark::Warn, format!("only {files} more can be made there (inodes); see `df -i {}`", stored.path))
    });
    one("inodes", scarce, "there is room for more files")
}

pub(super) fn leftovers(facts: &Facts) -> Check {
    let Some(exam) = exam(facts) else { return one("leftovers", None, "nothing is left of masters") };
    let living = facts.status.master.as_ref().map(|master| master.pid);
    let dead = exam.unended.iter().filter(|last| Some(last.master.pid) != living).map(|last| {
        let (pid, begun) = (last.master.pid, words::ago(facts.now, last.started_at));
        let text = format!(
            "master {pid}, started {begun}, died without an end; the next one gives back what it ran and ends what is left \
             of it, start it with `{}`",
            facts.start
        );
        (Mark::Warn, text)
    });
    let lost = exam.lost_logs.iter().map(|log| {
        let text = format!("`{log}` is the log of a database that was deleted; `rm {log}` if that is not missed");
        (Mark::Warn, text)
    });
    check("leftovers", dead.chain(lost).collect(), "nothing is left of dead masters and deleted databases".to_owned())
}
