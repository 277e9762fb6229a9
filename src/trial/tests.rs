//! Conversations with workers that make mistakes, line by line.

use std::time::Duration;

use super::life::Life;
use super::*;
use crate::model::worker::Exit;
use crate::model::{PoolName, UnixMicros};

const SECOND: Duration = Duration::from_secs(1);

/// A worker that is tried, and what was said of it.
struct Bench {
    life: Life,
    now: Now,
    wrong: Vec<String>,
    said: Vec<String>,
    over: Vec<Over>,
    closed: bool,
}

impl Bench {
    fn new(worker: Box<dyn Conversation>) -> Self {
        let now = Now { mono: Mono(0), wall: UnixMicros(0) };
        let (life, steps) = Life::start(worker, SECOND, now);
        let mut bench = Self { life, now, wrong: Vec::new(), said: Vec::new(), over: Vec::new(), closed: false };
        bench.take(steps);
        bench
    }

    fn service() -> Self {
        let pool = PoolName::new("calc").unwrap();
        Self::new(Box::new(Service::new(pool, SECOND, None, true)))
    }

    fn jobs() -> Self {
        Self::new(Box::new(Jobs::new(SECOND)))
    }

    fn take(&mut self, steps: Vec<Step>) {
        for step in steps {
            match step {
                Step::Say(_, line) => self.said.push(String::from_utf8(line).unwrap()),
                Step::Wrong(text) => self.wrong.push(text),
                Step::Over(over) => self.over.push(over),
                Step::Close => self.closed = true,
                Step::Heard(_) | Step::Terminate | Step::Kill => {}
            }
        }
    }

    fn hear(&mut self, line: &str) -> &mut Self {
        let steps = self.life.hear(line.as_bytes(), self.now);
        self.take(steps);
        self
    }

    fn ask(&mut self, text: &str) -> &mut Self {
        let steps = self.life.ask(Question::read(text).unwrap(), self.now);
        self.take(steps);
        self
    }

    fn no_more(&mut self) -> &mut Self {
        let steps = self.life.no_more(self.now);
        self.take(steps);
        self
    }

    fn pass(&mut self, time: Duration, unfinished: &str) -> &mut Self {
        self.now.mono = self.now.mono + time;
        let steps = self.life.tick(self.now, unfinished.as_bytes());
        self.take(steps);
        self
    }

    fn ended(&mut self, code: i32) -> &mut Self {
        let steps = self.life.ended(Exit::Code(code), b"", self.now);
        self.take(steps);
        self
    }

    /// Exactly these mistakes, by a part of their text.
    #[track_caller]
    fn is_wrong(&self, parts: &[&str]) {
        let fits =
            self.wrong.len() == parts.len() && self.wrong.iter().zip(parts).all(|(text, part)| text.contains(part));
        assert!(fits, "{:#?}\n{parts:#?}", self.wrong);
    }
}

const READY: &str = r#"{"method":"ready","params":{"methods":{"add":{"result":{"type":"number"}}}}}"#;

#[test]
fn a_service_without_mistakes_is_asked_and_closed_and_nothing_is_wrong_with_it() {
    let mut bench = Bench::service();
    bench.ask("add [5, 3]").hear("a stray print").hear("{\"level\": \"info\"}");
    assert!(bench.said.is_empty(), "it is not ready");
    bench.hear(READY).no_more();
    assert!(bench.said[0].contains(r#""name":"add","args":[5, 3]"#) && !bench.closed);
    bench.hear(r#"{"id":1,"result":8}"#);
    assert!(bench.closed && bench.over[0].by == By::Worker);
    bench.ended(0).is_wrong(&[]);
}

#[test]
fn mistakes_of_a_service_are_told_one_by_one() {
    let table = [
        (r#"{"id":1,"result":8,"data":1}"#, "`data` in the answer means nothing"),
        (r#"{"id":1,"error":"no"}"#, "`error` must be an object"),
        (r#"{"id":1,"error":{"code":"x","message":"no"}}"#, "the `code` of an `error` is a whole number"),
        (r#"{"id":1,"error":{"code":1}}"#, "needs a `message`"),
        (r#"{"id":1,"result":8,"error":{"message":"no"}}"#, "the error counts"),
        (r#"{"id":1,"result":"8"}"#, "the result of `add` is not what it declares: it must be a number, not a string"),
        (r#"{"id":1}"#, "neither `result` nor `error`"),
        (r#"{"id":9,"result":8}"#, "request 9, which nobody has asked"),
        (r#"{"id":"1","result":8}"#, "`id` must be that of the request, a whole number; it is \"1\""),
        (r#"{"result":8}"#, "needs the `id`"),
        (
            "{'id': 1, 'result': 8}",
            "no JSON: key must be a string at line 1 column 2; names and texts stand in double quotes",
        ),
        (r#"{"method":"progress","params":{}}"#, "`progress` means nothing here"),
        (r#"{"method":"call","params":{}}"#, "`call` is a request, and needs an `id`"),
        (r#"{"method":"metric","params":{"name":"x"}}"#, "the metric is dropped: missing field `kind`"),
        (r#"{"id":"a","method":"table.incr","params":{"table":"t"}}"#, "`key` is missing"),
        (READY, "it says `ready` again"),
    ];
    for (line, part) in table {
        let mut bench = Bench::service();
        bench.hear(READY).ask("add [5, 3]").hear(line).is_wrong(&[part]);
    }
    let mut bench = Bench::service();
    bench.hear(READY).ask("add [5, 3]").hear(r#"{"id":1,"result":8}"#).hear(r#"{"id":1,"result":8}"#);
    bench.is_wrong(&["request 1, which has been answered before"]);
}

#[test]
fn what_a_declaration_says_in_vain_is_told() {
    let mut bench = Bench::service();
    bench.hear(
        r#"{"method":"ready","params":{"verson":"1","methods":{"add":{"params":{"pattern":"x"},"cached":true}}}}"#,
    );
    bench.is_wrong(&[
        "`verson` in the declaration",
        "`cached` in method `add`",
        "`params` of `add`: `/pattern` is not checked",
    ]);
    let mut bench = Bench::service();
    bench.hear(r#"{"method":"ready","params":{"methods":["add"]}}"#).is_wrong(&["its `ready` is not understood"]);
    assert!(bench.closed);
}

#[test]
fn an_answer_that_comes_with_the_end_of_input_was_not_flushed() {
    let mut bench = Bench::service();
    bench.hear(READY).ask("add").no_more().pass(SECOND, "");
    bench.is_wrong(&["did not answer in 1s"]);
    assert!(bench.closed && bench.over[0].by == By::Nobody);
    bench.hear(r#"{"id":1,"result":8}"#).ended(0).is_wrong(&["did not answer in 1s", "its output is not flushed"]);
    let mut bench = Bench::service();
    bench
        .pass(SECOND, "{\"method\":\"ready\"}")
        .is_wrong(&["has not said `ready` within 1s", "has no newline at its end"]);
}

#[test]
fn a_worker_that_ends_early_late_or_badly_is_told() {
    let mut bench = Bench::service();
    bench.ended(1).is_wrong(&["exit code 1 before it was ready"]);
    let mut bench = Bench::service();
    bench.hear(READY).ended(0).is_wrong(&["before its input was closed"]);
    let mut bench = Bench::service();
    bench.hear(READY).ask("add").ended(3).is_wrong(&["exit code 3 before it had answered everything"]);
    let mut bench = Bench::service();
    bench.hear(READY).no_more().ended(1).is_wrong(&["exit code 1 after its input was closed"]);
    let mut bench = Bench::service();
    bench
        .hear(READY)
        .no_more()
        .pass(5 * SECOND, "")
        .pass(2 * SECOND, "")
        .is_wrong(&["it goes on 5s", "SIGTERM does not"]);
}

#[test]
fn health_and_shutdown_are_said_to_a_service_that_wants_them() {
    let mut bench = Bench::service();
    bench.hear(r#"{"method":"ready","params":{"health":true,"shutdown":true,"methods":{"add":{}}}}"#).no_more();
    assert!(bench.said[0].contains(r#""method":"health""#) && !bench.closed);
    bench.hear(r#"{"id":1,"result":{"status":"fine"}}"#).is_wrong(&["it says that it is `fine`"]);
    assert!(bench.said[1].contains(r#""method":"shutdown""#) && bench.closed);
}

#[test]
fn a_worker_of_a_queue_has_a_job_at_a_time_and_its_mistakes_are_told() {
    let mut bench = Bench::jobs();
    bench.ask("resize {\"file\":\"a\"}").ask("mail");
    assert_eq!(bench.said.len(), 1);
    assert!(bench.said[0].contains(r#""type":"resize","args":{"file":"a"}"#));
    bench
        .hear(r#"{"method":"ready","params":{"types":["resize"],"methods":{}}}"#)
        .hear(r#"{"method":"ready","params":{"types":["resize"],"workers":2}}"#);
    bench
        .hear(r#"{"method":"progress","params":{"id":1,"percent":50}}"#)
        .hear(r#"{"method":"extend","params":{"id":2,"seconds":5}}"#);
    bench.hear(r#"{"id":"p","method":"push","params":{"typ":"x"}}"#);
    assert!(bench.said[1].contains(r#""error":{"code":-32602"#), "{}", bench.said[1]);
    bench.hear(r#"{"id":"1","error":{"message":"no"}}"#);
    assert_eq!(
        bench.over[1].answer.as_ref().unwrap_err().message,
        "the worker takes no jobs of type `mail`; its `types` are resize"
    );
    bench.is_wrong(&[
        "it is a service",
        "`workers` in `ready` means nothing",
        "request 2, which nobody has asked",
        "the job that it pushes is refused",
    ]);
    let mut bench = Bench::jobs();
    bench.ask("slow").hear(r#"{"method":"extend","params":{"id":1,"seconds":5}}"#).pass(2 * SECOND, "").is_wrong(&[]);
    bench.hear(r#"{"id":1}"#).is_wrong(&["neither `result` nor `error`"]);
    bench.hear(r#"{"method":"retire"}"#).ended(0);
    assert_eq!(bench.wrong.len(), 1);
}
