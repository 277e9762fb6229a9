//! The log thread, with real files.

use super::format::MAX_TEXT_BYTES;
use super::*;
use crate::trust::Owner;
use std::fs;
use std::os::unix::fs::PermissionsExt;

fn options_of(dir: &Path) -> Options {
    Options::new(dir.to_owned(), Owner::of_store(dir))
}

fn line(worker: &str, job: Option<i64>, text: &[u8]) -> Line {
    let at = UnixMicros(1_700_000_000_123_456);
    Line { worker: worker.into(), stream: Stream::Stdout, job: job.map(JobId), text: text.to_vec(), at }
}

fn texts(dir: &Path, worker: &str, job: Option<i64>, max: usize) -> Vec<String> {
    let wanted = Wanted { job: job.map(JobId), ..Wanted::default() };
    let lines = read_tail(dir, worker, wanted, max).unwrap();
    lines.iter().map(|line| parse_line(line).unwrap().text.to_owned()).collect()
}

#[test]
fn a_line_is_written_in_a_form_that_can_be_read_back() {
    let formatted = format_line(&line("w", Some(42), b"hello  world \r\n"));
    assert_eq!(formatted, "2023-11-14T22:13:20.123456Z out 42 hello  world \n");
    let parsed = parse_line(&formatted).unwrap();
    assert_eq!((parsed.at.0, parsed.stream), (1_700_000_000_123_456, Stream::Stdout));
    assert_eq!((parsed.job, parsed.text), (Some(JobId(42)), "hello  world "));
    let mut empty = line("w", None, b"");
    empty.stream = Stream::Stderr;
    let formatted = format_line(&empty);
    assert_eq!(formatted, "2023-11-14T22:13:20.123456Z err - \n");
    assert_eq!(parse_line(&formatted).unwrap().text, "");
    for other in ["", "x", "2023-11-14T22:13:20Z out", "2023-11-14T22:13:20Z both - x", "yesterday out - x"] {
        assert_eq!(parse_line(other), None, "{other:?}");
    }
}

#[test]
fn nothing_that_moves_a_cursor_or_turns_the_text_gets_through() {
    assert_eq!(escape(b"plain \\ text\t."), "plain \\ text\t.");
    assert_eq!(escape(b"\x1b[2J\x07\r\n\0\x7f"), "\\x1b[2J\\x07\\x0d\\x0a\\x00\\x7f");
    assert_eq!(
        escape("é\u{85}\u{9b}\u{202e}\u{2066}\u{2028}".as_bytes()),
        "é\\u{0085}\\u{009b}\\u{202e}\\u{2066}\\u{2028}"
    );
    assert_eq!(escape(b"a\xffb\xc3"), "a\u{fffd}b\u{fffd}");
}

#[test]
fn a_long_line_is_cut_between_characters_and_marked() {
    let text = "é".repeat(MAX_TEXT_BYTES);
    let formatted = format_line(&line("w", None, format!("x{text}").as_bytes()));
    let parsed = parse_line(&formatted).unwrap();
    assert!(parsed.text.ends_with("é [65538 more bytes cut]"), "{}", &parsed.text[parsed.text.len() - 40..]);
    assert!(!parsed.text.contains(char::REPLACEMENT_CHARACTER));
    assert!(format_line(&line("w", None, &vec![0x80; 70_000])).len() < 4 * 70_000);
}

#[test]
fn each_worker_has_a_private_file_and_its_lines_can_be_asked_for_by_job() {
    let dir = tempfile::tempdir().unwrap();
    let logs = Logs::start(options_of(&dir.path().join("logs")), |_| ()).unwrap();
    for n in 0..10 {
        assert!(logs.send(line("a-1", Some(n % 3), format!("line {n}").as_bytes())));
    }
    logs.send(line("b-1", None, b"other"));
    drop(logs);
    let dir = dir.path().join("logs");
    assert_eq!(fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(fs::metadata(dir.join("a-1.log")).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(texts(&dir, "a-1", None, 3), ["line 7", "line 8", "line 9"]);
    assert_eq!(texts(&dir, "a-1", Some(1), 10), ["line 1", "line 4", "line 7"]);
    assert_eq!(texts(&dir, "b-1", None, 10), ["other"]);
    assert!(texts(&dir, "a-1", None, 0).is_empty());
    assert!(texts(&dir, "c-1", None, 10).is_empty() && texts(&dir, "../logs/a-1", None, 10).is_empty());
}

#[test]
fn a_full_file_is_set_aside_the_oldest_goes_and_a_deleted_one_does_no_harm() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { max_file_bytes: 100, files: 3, ..options_of(dir.path()) };
    let mut log = WorkerLog::new(dir.path().join("w.log"));
    let mut write = |n: usize| {
        log.add(&format_line(&line("w", None, format!("line {n:04}").as_bytes())));
        log.write(&options, Some(crate::clock::instant()));
        assert!(!log.owes());
    };
    (0..40).for_each(&mut write);
    let names = || {
        let mut names: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(names(), ["w.log", "w.log.1", "w.log.2"]);
    let all = texts(dir.path(), "w", None, 1000);
    assert!(all.len() >= 6 && all.is_sorted() && all.last().unwrap() == "line 0039", "{all:?}");
    assert_eq!(texts(dir.path(), "w", None, 5), all[all.len() - 5..]);
    fs::remove_file(dir.path().join("w.log.1")).unwrap();
    fs::remove_file(dir.path().join("w.log")).unwrap();
    (40..60).for_each(&mut write);
    assert_eq!(names(), ["w.log", "w.log.1", "w.log.2"]);
    assert_eq!(texts(dir.path(), "w", None, 2), ["line 0058", "line 0059"]);
}

#[test]
fn what_cannot_be_written_is_counted_and_written_about_when_it_can() {
    let dir = tempfile::tempdir().unwrap();
    let options = options_of(&dir.path().join("logs"));
    // A file where the directory should be: fails for root, too.
    fs::write(&options.dir, "in the way").unwrap();
    let mut log = WorkerLog::new(options.dir.join("w.log"));
    let add = |log: &mut WorkerLog, text: &str, now| {
        log.add(&format_line(&line("w", None, text.as_bytes())));
        log.write(&options, now);
    };
    let start = crate::clock::instant();
    add(&mut log, "lost", Some(start));
    fs::remove_file(&options.dir).unwrap();
    add(&mut log, "lost too, as it is not tried every time", Some(start));
    assert!(log.owes());
    add(&mut log, "kept", Some(start + Duration::from_secs(2)));
    assert!(!log.owes());
    let got = texts(&options.dir, "w", None, 10);
    assert_eq!(got.len(), 2);
    assert!(got[0].starts_with("[2 lines dropped") && got[1] == "kept", "{got:?}");
}

#[test]
fn a_fragment_from_a_crash_does_not_swallow_the_next_line() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("w.log"), "2023-11-14T22:13:20Z out - ok\n2023-11-14T22:13:20Z ou").unwrap();
    let logs = Logs::start(options_of(dir.path()), |_| ()).unwrap();
    logs.send(line("w", None, b"next"));
    drop(logs);
    let lines = read_tail(dir.path(), "w", Wanted::default(), 10).unwrap();
    assert_eq!(lines.len(), 3);
    assert!(lines[2].ends_with(" out - next"));
}

#[test]
fn every_line_is_written_or_counted_when_there_is_no_room() {
    let dir = tempfile::tempdir().unwrap();
    let logs = Logs::start(Options { capacity: 4, ..options_of(dir.path()) }, |_| ()).unwrap();
    let total = 20_000_u64;
    let sent = (0..total).filter(|n| logs.send(line("w", None, format!("line {n}").as_bytes()))).count() as u64;
    drop(logs);
    let got = texts(dir.path(), "w", None, usize::MAX);
    let (counts, lines): (Vec<_>, Vec<_>) = got.iter().partition(|text| text.starts_with('['));
    let dropped: u64 = counts.iter().map(|c| c[1..].split(' ').next().unwrap().parse::<u64>().unwrap()).sum();
    assert_eq!((lines.len() as u64, dropped), (sent, total - sent));
}

#[test]
fn who_asks_is_told_when_everything_before_is_in_its_file_and_not_sooner() {
    let dir = tempfile::tempdir().unwrap();
    let (tell, told) = crossbeam_channel::unbounded();
    let path = dir.path().to_owned();
    let logs = Logs::start(options_of(dir.path()), move |ticket| {
        let last = texts(&path, "w", None, 1).pop();
        tell.send((ticket, last)).unwrap();
    });
    let logs = logs.unwrap();
    for n in 0..200 {
        logs.send(line("w", None, format!("line {n}").as_bytes()));
        assert!(logs.mark(Ticket(n)));
    }
    drop(logs);
    for (n, (ticket, last)) in (0..200).zip(&told) {
        let last = last.and_then(|text| text.strip_prefix("line ")?.parse::<u64>().ok());
        assert!(ticket == Ticket(n) && last >= Some(n), "{n}: {last:?}");
    }
}

#[test]
fn another_size_and_number_of_files_hold_from_then_on() {
    let dir = tempfile::tempdir().unwrap();
    let logs = Logs::start(options_of(dir.path()), |_| ()).unwrap();
    logs.limit(100, 2);
    (0..40).for_each(|n| assert!(logs.send(line("w", None, format!("line {n:04}").as_bytes()))));
    drop(logs);
    let mut files: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap()).collect();
    files.sort_by_key(fs::DirEntry::file_name);
    let sizes: Vec<_> = files.iter().map(|file| (file.file_name(), file.metadata().unwrap().len() <= 100)).collect();
    assert_eq!(sizes, [("w.log".into(), true), ("w.log.1".into(), true)]);
}
