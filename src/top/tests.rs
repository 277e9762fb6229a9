//! The state, drawn on a terminal in memory.

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::style::Color;
use serde_json::json;

use super::*;
use crate::model::ScaleTo;

/// So much as one of the hostile wishes.
const EVIL: &str = "\u{1b}[2J\u{1b}]0;x\u{7}\u{9b}31m\u{202e}\u{200b}é";

fn worker(pool: &str, slot: u32, job: Option<(i64, &str)>) -> serde_json::Value {
    json!({
        "id": format!("{pool}-{slot}"), "pool": pool, "slot": slot, "pid": 100 + slot, "generation": 1,
        "state": if job.is_some() { "busy" } else { "idle" }, "jobs_done": slot * 10, "memory_bytes": (5 - slot) << 20,
        "peak_memory_bytes": 5 << 20, "cpu_percent": slot * 3 % 5, "uptime_s": 65.0, "restarts": 0, "last_exit": null,
        "job": job.map(|(id, kind)| json!({"id": id, "type": kind, "attempt": 1, "running_s": 2.5})),
    })
}

/// A master with two queues, two pools, and four workers of the second one.
fn document() -> serde_json::Value {
    let queue = |name: &str, ready: u64| {
        json!({
            "name": name, "paused": false, "ready": ready, "scheduled": 0, "running": 1, "dead": 2,
            "oldest_ready_s": 3.0, "succeeded_total": 5, "failed_total": 7, "done_per_s": 1.5, "pushed_per_s": 1.0,
        })
    };
    let pool = |name: &str, wanted: u32| {
        json!({
            "name": name, "queues": [name], "kind": "exec", "state": "running", "wanted": wanted, "ready": wanted,
            "busy": 1, "starting": 0, "draining": 0,
        })
    };
    json!({
        "master": {
            "pid": 9723, "generation": 1, "state": "running", "version": "0", "started_at": "2026-01-01T00:00:00Z",
            "uptime_s": 65.0, "database": "/var/q.db", "durability": "full", "containment": "tree", "memory_bytes": 9 << 20,
        },
        "queues": [queue("images", 4), queue("mail", 0)],
        "pools": [pool("images", 0), pool("mail", 4)],
        "workers": (1..=4).map(|n| worker("mail", n, (n == 2).then_some((31, "resize")))).collect::<Vec<_>>(),
        "jobs_per_s": 120.5,
    })
}

fn heard(document: serde_json::Value, second: i64) -> Heard {
    let status = serde_json::from_value(document).expect("a status");
    Heard::Status { status: Box::new(status), trouble: None, at: UnixMicros(second * 1_000_000) }
}

fn view() -> View {
    let mut view = View::new(true);
    view.hear(heard(document(), 100));
    view
}

fn press(view: &mut View, keys: &str) -> Option<Effect> {
    let mut last = None;
    for c in keys.chars() {
        let code = match c {
            '\t' => KeyCode::Tab,
            '\n' => KeyCode::Enter,
            '\u{1b}' => KeyCode::Esc,
            '↓' => KeyCode::Down,
            '↑' => KeyCode::Up,
            '⇟' => KeyCode::End,
            c => KeyCode::Char(c),
        };
        last = view.press(KeyEvent::new(code, KeyModifiers::NONE));
    }
    last
}

fn drawn(view: &View, width: u16, height: u16) -> Terminal<TestBackend> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal");
    terminal.draw(|frame| draw(view, frame)).expect("drawn");
    terminal
}

/// The rows of the screen.
fn shown(view: &View, width: u16, height: u16) -> Vec<String> {
    let terminal = drawn(view, width, height);
    let buffer = terminal.backend().buffer();
    let row = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_owned();
    (0..height).map(row).collect()
}

/// The text of the row that is selected.
fn selected(view: &View) -> String {
    view.selected().expect("a row").to_owned()
}

#[test]
fn a_small_screen_has_all_of_it() {
    let screen = shown(&view(), 80, 24);
    let expected = "\
queue-work  master 9723 running, up 1m 5s, /var/q.db
rate    120/s          ⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⢸ busy    2 of 4         ⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⢸
waiting 4              ⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⢸ memory  19M            ⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⢸
failed  0/s 4 dead     ⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀ CPU     10%            ⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⢸
queue   ready  scheduled  running  dead  waiting for  done/s (1 min)  empty in
images      4          0        1     2           3s             1.5         -
mail        0          0        1     2           3s             1.5         -
pool    kind  queues  wanted  ready  busy  starting  draining
images  exec  images       0      0     1         0         0
mail    exec  mail         4      4     1         0         0
worker  pid  state  jobs  memory  peak  cpu     up  job
mail-1  101  idle     10      4M    5M   3%  1m 5s  -
mail-2  102  busy     20      3M    5M   1%  1m 5s  31, 2.5s: resize
mail-3  103  idle     30      2M    5M   4%  1m 5s  -
mail-4  104  idle     40      1M    5M   2%  1m 5s  -
log";
    let end = "Tab Enter  p pause  +- scale  r restart  k cancel  l output  f failures  ? help";
    assert_eq!(screen[..16].join("\n"), expected, "{screen:#?}");
    assert_eq!(screen[23], end);
}

#[test]
fn a_wide_screen_has_tables_side_by_side_and_no_size_is_too_small() {
    let screen = shown(&view(), 160, 50);
    assert!(screen[4].starts_with("queue ") && screen[4].contains("pool "), "{screen:#?}");
    for (width, height) in [(0, 0), (1, 1), (20, 5), (3, 60), (500, 2), (80, 7), (160, 9)] {
        let mut view = view();
        shown(&view, width, height);
        for page in ["?", "f", "\n", "\tl"] {
            press(&mut view, page);
            shown(&view, width, height);
        }
    }
}

#[test]
fn a_row_stays_selected_by_its_name_while_others_come_and_go() {
    let mut view = view();
    press(&mut view, "↓↓");
    assert_eq!(selected(&view), "mail-3");
    let mut less = document();
    less["workers"].as_array_mut().expect("workers").remove(0);
    view.hear(heard(less.clone(), 101));
    assert_eq!(selected(&view), "mail-3");
    less["workers"].as_array_mut().expect("workers").remove(1);
    view.hear(heard(less, 102));
    assert_eq!(selected(&view), "mail-4", "the one in its place");
    view.hear(heard(json!({"master": null, "queues": [], "pools": [], "workers": [], "jobs_per_s": 0.0}), 103));
    assert_eq!(press(&mut view, "k+-r\nlp"), None);
    assert_eq!(view.selected(), None);
}

#[test]
fn workers_are_sorted_and_filtered_and_the_first_by_use_is_whichever_it_is() {
    let mut view = view();
    for (key, order) in [("m", "1234"), ("c", "3142"), ("j", "4321"), ("u", "1234"), ("u", "1234"), ("mm", "1234")] {
        press(&mut view, key);
        let names: String = view.names(Kind::Workers).iter().map(|name| &name[5..]).collect();
        assert_eq!(names, order, "{key}");
    }
    press(&mut view, "j");
    let mut other = document();
    other["workers"][0]["jobs_done"] = json!(1000);
    view.hear(heard(other, 101));
    assert_eq!(selected(&view), "mail-1");
    let first = |view: &View| shown(view, 80, 24)[10..13].join("\n");
    press(&mut view, "/RESI");
    assert!(shown(&view, 80, 24)[23].starts_with("filter: resi"));
    press(&mut view, "\n");
    assert_eq!(view.names(Kind::Workers), ["mail-2"]);
    assert!(first(&view).contains("by jobs, /resi"), "{}", first(&view));
    press(&mut view, "\u{1b}");
    assert_eq!(view.names(Kind::Workers).len(), 4);
    press(&mut view, "/none\u{1b}");
    assert_eq!(view.names(Kind::Workers).len(), 4);
}

fn ask(effect: Option<Effect>) -> Ask {
    match effect {
        Some(Effect::Ask(ask)) => ask,
        other => panic!("{other:?}"),
    }
}

#[test]
fn keys_ask_what_the_verbs_ask() {
    // From the workers over the log to the queues, then to the pools.
    let (queues, pools) = ("\t\t", "\t\t\t");
    let scale =
        |by: &str| Scale { workers: by.parse::<ScaleTo>().expect("a number"), no_wait: true, ..Scale::default() };
    let restart = Restart { no_wait: true, ..Restart::default() };
    let mail = || Some("mail".to_owned());
    let queue = Queues { queues: vec!["images".to_owned()], key: None, force: true };
    for (keys, asked) in [
        (format!("{queues}p"), Ask::Pause { queues: queue, paused: true }),
        (format!("{queues}↓+"), Ask::Scale(Scale { queue: mail(), ..scale("+1") })),
        (format!("{pools}↓-"), Ask::Scale(Scale { pool: mail(), ..scale("-1") })),
        ("+".to_owned(), Ask::Scale(Scale { pool: mail(), ..scale("+1") })),
        ("↓r".to_owned(), Ask::Restart(Restart { workers: vec!["mail-2".to_owned()], ..restart.clone() })),
        (format!("{pools}↓ry"), Ask::Restart(Restart { pool: mail(), ..restart.clone() })),
        (format!("{queues}↓ry"), Ask::Restart(Restart { queue: mail(), ..restart })),
        ("↓ky".to_owned(), Ask::Cancel(JobId(31))),
        ("↓\nky".to_owned(), Ask::Cancel(JobId(31))),
        ("↓\n\nky".to_owned(), Ask::Cancel(JobId(31))),
    ] {
        assert_eq!(ask(press(&mut view(), &keys)), asked, "{keys:?}");
    }
    let mut paused = document();
    paused["queues"][0]["paused"] = json!(true);
    let mut view = view();
    view.hear(heard(paused, 101));
    assert!(matches!(ask(press(&mut view, "\t\tp")), Ask::Pause { paused: false, .. }));
}

#[test]
fn a_job_is_cancelled_and_a_pool_restarted_only_after_a_yes() {
    for (keys, question) in [
        ("↓k", "cancel job 31 (`resize`) on `mail-2`? y/N"),
        ("\t\t\t↓r", "restart the workers of the pool `mail`, one after the other? y/N"),
    ] {
        for no in ["n", "\n", "\u{1b}", "q", "k"] {
            let mut view = view();
            assert_eq!(press(&mut view, keys), None);
            assert_eq!(shown(&view, 80, 24)[23], question);
            assert_eq!(press(&mut view, no), None);
            assert_eq!(shown(&view, 80, 24)[23], "nothing was changed");
        }
    }
    let mut view = view();
    assert_eq!(press(&mut view, "k"), None);
    assert_eq!(shown(&view, 80, 24)[23], "select a worker that runs a job to cancel that");
    assert_eq!(press(&mut view, "q"), Some(Effect::Quit));
}

#[test]
fn a_page_says_what_it_needs_and_shows_nothing_that_was_found_for_another() {
    let mut view = view();
    assert_eq!(view.wants(), Wants::default());
    press(&mut view, "\n");
    assert_eq!(view.wants().look, Some(Look::Worker("mail-1".to_owned())));
    let line =
        LogLine { at: UnixMicros(1), worker: "mail-1".into(), stream: "out".into(), job: None, text: "hi".into() };
    assert!(!view.hear(Heard::Looked(Look::Failures, Looked::Failures(Vec::new()))));
    assert!(view.hear(Heard::Looked(Look::Worker("mail-1".to_owned()), Looked::Lines(vec![line.clone()]))));
    let screen = shown(&view, 80, 24).join("\n");
    assert!(screen.contains("worker `mail-1`\nstate         idle") && screen.contains("mail-1 hi"), "{screen}");
    press(&mut view, "l");
    let output = view.wants().output.expect("its output");
    assert_eq!(output.worker.as_deref(), Some("mail-1"));
    assert!(!view.hear(Heard::Output(Follow::default(), vec![line.clone()])), "of another");
    let lines = |n: i64| (0..n).map(|n| LogLine { text: format!("line {n}"), ..line.clone() }).collect();
    assert!(view.hear(Heard::Output(output, lines(2 * KEPT as i64))));
    let screen = shown(&view, 80, 24);
    assert_eq!((screen[4].as_str(), screen[22].as_str()), ("output of `mail-1`", "mail-1 line 999"));
    press(&mut view, "↑↑");
    assert_eq!(shown(&view, 80, 24)[22], "mail-1 line 997");
    press(&mut view, "⇟");
    assert_eq!(shown(&view, 80, 24)[22], "mail-1 line 999");
    press(&mut view, "\u{1b}q");
    assert_eq!(view.wants(), Wants::default());
    press(&mut view, "f");
    assert_eq!(view.wants().look, Some(Look::Failures));
    view.hear(Heard::Looked(Look::Failures, Looked::Nothing("the store is closed".to_owned())));
    assert_eq!(shown(&view, 80, 24)[5], "the store is closed");
}

#[test]
fn the_command_of_a_job_that_runs_for_a_while_is_asked_for_once_and_shown_while_it_runs() {
    let with = |running_s: f64| {
        let mut document = document();
        document["workers"][1]["job"] = json!({"id": 31, "type": "exec", "attempt": 1, "running_s": running_s});
        document
    };
    let mut view = View::new(true);
    view.hear(heard(with(1.0), 100));
    shown(&view, 80, 24);
    assert_eq!(view.wants().tasks, [], "it may be over soon");
    view.hear(heard(with(2.5), 101));
    assert_eq!(view.wants().tasks, [JobId(31)]);
    assert!(view.hear(Heard::Tasks(vec![(JobId(31), "convert a.png b.jpg".to_owned())])));
    let row = &shown(&view, 100, 24)[12];
    assert!(row.ends_with("31, 2.5s: convert a.png b.jpg"), "{row}");
    assert_eq!(view.wants().tasks, []);
    press(&mut view, "↓\n");
    assert!(shown(&view, 80, 24).join("\n").contains("31, 2.5s: convert a.png b.jpg"));
    view.hear(heard(document(), 102));
    view.hear(heard(json!({"queues": [], "pools": [], "workers": [], "jobs_per_s": 0.0}), 103));
    assert!(view.tasks.is_empty());
}

#[test]
fn what_others_wrote_is_shown_as_what_it_is() {
    let mut evil = document();
    evil["workers"][0]["job"] = json!({
        "id": 1, "type": EVIL, "attempt": 1, "running_s": 1.0, "progress": {"percent": 5.0, "message": EVIL},
    });
    evil["workers"][0]["state"] = json!("busy");
    evil["workers"][0]["note"] = json!(EVIL);
    evil["pools"][0]["problem"] = json!(EVIL);
    evil["pools"][0]["name"] = json!(EVIL);
    evil["master"]["problems"] = json!([EVIL]);
    evil["master"]["database"] = json!(EVIL);
    let mut view = View::new(true);
    view.hear(heard(evil, 100));
    view.hear(Heard::Events(vec![Happened { is_problem: true, text: EVIL.to_owned() }]));
    let line =
        LogLine { at: UnixMicros(1), worker: "mail-1".into(), stream: EVIL.into(), job: None, text: EVIL.to_owned() };
    let mut check = |keys: &str, heard: Option<Heard>| {
        press(&mut view, keys);
        if let Some(heard) = heard {
            view.hear(heard);
        }
        for row in shown(&view, 160, 50) {
            assert!(!row.chars().any(|c| words::escape(&c.to_string()) != c.to_string()), "{keys:?}: {row:?}");
        }
    };
    check("", None);
    check("k", None);
    check("n\n", Some(Heard::Looked(Look::Worker("mail-1".to_owned()), Looked::Lines(vec![line.clone()]))));
    let output = Follow { worker: Some("mail-1".to_owned()), ..Follow::default() };
    check("l", Some(Heard::Output(output, vec![line])));
    check("qq", Some(Heard::Said(EVIL.to_owned())));
    check("\t\n", None);
    check("q\t\t\n", None);
    check("f", Some(Heard::Looked(Look::Failures, Looked::Nothing(EVIL.to_owned()))));
    check("qq", Some(Heard::Status { status: Box::default(), trouble: Some(EVIL.to_owned()), at: UnixMicros(0) }));
}

#[test]
fn colours_are_there_only_where_they_are_wanted() {
    let colours = |view: &View| {
        let terminal = drawn(view, 80, 24);
        terminal.backend().buffer().content.iter().filter(|cell| cell.fg != Color::Reset).count()
    };
    assert!(colours(&view()) > 20);
    let mut plain = View::new(false);
    plain.hear(heard(document(), 100));
    assert_eq!(colours(&plain), 0);
}

#[test]
fn nothing_is_drawn_again_that_is_the_same() {
    let idle = || {
        let status = Box::<Status>::default();
        Heard::Status { status, trouble: Some("no master runs on `q.db`; waiting".to_owned()), at: UnixMicros(0) }
    };
    let mut view = View::new(true);
    assert!(view.hear(idle()));
    assert!(!view.hear(idle()));
    assert!(!view.hear(Heard::Events(Vec::new())) && !view.hear(Heard::Processors(Vec::new())));
    assert!(view.hear(Heard::Said("paused `mail`".to_owned())));
    assert_eq!((1..20).filter(|_| view.hear(idle())).count(), 1, "when that goes away");
    assert_eq!(shown(&view, 80, 24)[0], "queue-work  no master runs on `q.db`; waiting");
}

#[test]
fn the_last_minute_has_a_dot_for_each_second_and_moves_to_the_left() {
    let mut view = View::new(true);
    let mut busy = document();
    for (second, rate) in [(100, 1.0), (101, 4.0), (101, 2.0), (104, 4.0)] {
        busy["jobs_per_s"] = json!(rate);
        view.hear(heard(busy.clone(), second));
    }
    let line = view.meters.line(0, 30);
    assert_eq!(line.trim_start_matches('\u{2800}'), "⢀⡄⢸", "{line}");
    // Half as many: the most of two seconds.
    let line = view.meters.line(0, 15);
    assert_eq!(line.chars().count(), 15);
    assert!(line.ends_with('⡇') || line.ends_with('⢸'), "{line}");
}
