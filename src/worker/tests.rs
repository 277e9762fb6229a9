//! The loop with real pipes and real commands.

mod printed;

use std::fs;
use std::io::{BufRead, BufReader, PipeReader, PipeWriter, Read, Write, pipe};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, channel};
use std::thread::{JoinHandle, spawn};
use std::time::Duration;

use serde_json::{Value, json};
use signal_hook::SigId;
use signal_hook::consts::SIGCHLD;

use super::event_loop::{Ended, Io, serve};
use super::template::Template;
use crate::clock;

/// Longer than anything here takes, and long past TERM to KILL.
const DEADLINE: Duration = Duration::from_secs(30);

/// A worker in a thread, and the master's ends of its streams.
struct Bench {
    input: Option<PipeWriter>,
    answers: Receiver<Value>,
    /// Output of commands among them.
    printed: Receiver<String>,
    log: Option<PipeReader>,
    terminate: UnixStream,
    ended: Receiver<Ended>,
    exits: SigId,
    threads: Vec<JoinHandle<()>>,
}

impl Bench {
    fn new() -> Self {
        Self::with(None)
    }

    fn template(command: &[&str]) -> Self {
        Self::with(Some(Template::parse(command.iter().map(Into::into).collect()).expect("a template")))
    }

    fn with(template: Option<Template>) -> Self {
        let (in_read, input) = pipe().expect("a pipe");
        let (output, out_write) = pipe().expect("a pipe");
        let (log, log_write) = pipe().expect("a pipe");
        let (child_exits, on_exit) = UnixStream::pair().expect("a pair");
        let (terminate_read, terminate) = UnixStream::pair().expect("a pair");
        let exits = signal_hook::low_level::pipe::register(SIGCHLD, on_exit).expect("a handler");
        let io = Io {
            input: in_read.into(),
            output: out_write.into(),
            log: log_write.into(),
            child_exits,
            terminate: terminate_read,
            // Other tests have children, too.
            alone: false,
        };
        let (end, ended) = channel();
        let (send, answers) = channel();
        let (print, printed) = channel();
        let threads = vec![
            spawn(move || {
                let ended = serve(io, template.as_ref()).expect("the loop goes on");
                end.send(ended).unwrap_or_default();
            }),
            spawn(move || {
                for line in BufReader::new(output).split(b'\n') {
                    let line = String::from_utf8_lossy(&line.expect("a line")).into_owned();
                    if line.starts_with('{') {
                        drop(send.send(serde_json::from_str(&line).expect("JSON")));
                    } else {
                        drop(print.send(line));
                    }
                }
            }),
        ];
        Self { input: Some(input), answers, printed, log: Some(log), terminate, ended, exits, threads }
    }

    fn send(&mut self, message: &Value) {
        writeln!(self.input.as_mut().expect("open"), "{message}").expect("a reader");
    }

    fn job(&mut self, id: u64, kind: &str, args: &Value) {
        let params = json!({"job_id": id + 100, "type": kind, "args": args, "attempt": 2});
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": "job", "params": params}));
    }

    fn exec(&mut self, id: u64, argv: &[&str]) {
        self.job(id, "exec", &json!({"argv": argv}));
    }

    fn sh(&mut self, id: u64, script: &str) {
        self.exec(id, &["sh", "-c", script]);
    }

    fn cancel(&mut self, id: u64, reason: &str) {
        self.send(&json!({"jsonrpc": "2.0", "method": "cancel", "params": {"id": id, "reason": reason}}));
    }

    #[track_caller]
    fn answer(&self) -> Value {
        self.answers.recv_timeout(DEADLINE).expect("an answer in time")
    }

    #[track_caller]
    fn ended(&self) -> Ended {
        self.ended.recv_timeout(DEADLINE).expect("the loop ends in time")
    }

    /// Closes the input and returns what was logged.
    #[track_caller]
    fn finish(mut self) -> String {
        drop(self.input.take());
        let mut log = Vec::new();
        self.log.take().expect("open").read_to_end(&mut log).expect("a log");
        assert_eq!(self.ended(), Ended::InputClosed);
        String::from_utf8(log).expect("UTF-8")
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        drop(self.input.take());
        drop(self.log.take());
        drop(self.terminate.write_all(b"x"));
        for thread in self.threads.drain(..) {
            drop(thread.join());
        }
        signal_hook::low_level::unregister(self.exits);
    }
}

/// Waits for the text that a command writes when it has begun, and returns it.
fn begun(fifo: &std::path::Path) -> String {
    fs::read_to_string(fifo).expect("a command that writes")
}

fn fifo(dir: &tempfile::TempDir) -> std::path::PathBuf {
    let path = dir.path().join("begun");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).expect("a fifo");
    path
}

#[test]
fn a_command_that_succeeds_answers_with_what_it_printed() {
    let mut bench = Bench::new();
    bench.exec(1, &["printf", "%s", "a b"]);
    let answer = bench.answer();
    assert_eq!((&answer["id"], &answer["result"]), (&json!(1), &json!("a b")));
    assert_eq!(answer["run"]["exit_code"], 0);
    assert!(answer["run"]["peak_memory_bytes"].as_u64().expect("a number") > 100_000);
    assert_eq!(bench.finish(), "");
}

#[test]
fn a_command_that_fails_answers_with_its_code_and_the_end_of_its_stderr() {
    let mut bench = Bench::new();
    bench.sh(1, "for i in $(seq 30); do echo line $i >&2; done; printf last >&2; exit 3");
    let answer = bench.answer();
    assert_eq!(answer["error"], json!({"code": 3, "message": "exit status 3: last", "data": {"type": "exit"}}));
    let tail = answer["run"]["stderr_tail"].as_str().expect("a text");
    assert_eq!((tail.lines().count(), tail.lines().next_back()), (20, Some("last")));
    let log = bench.finish();
    assert!(log.starts_with("line 1\nline 2\n") && log.ends_with("line 30\nlast\n"), "{log}");
}

#[test]
fn a_command_ended_by_a_real_time_signal_failed_and_the_worker_goes_on() {
    let mut bench = Bench::new();
    bench.sh(1, "kill -40 $$");
    let answer = bench.answer();
    assert_eq!(answer["error"]["message"], "killed by SIGRTMIN+6");
    assert_eq!(answer["run"]["signal"], "SIGRTMIN+6");
    bench.sh(2, "exit 0");
    assert_eq!(bench.answer()["id"], 2);
    bench.finish();
}

#[test]
fn a_command_ended_by_a_signal_answers_with_its_name() {
    let mut bench = Bench::new();
    bench.sh(1, "kill -SEGV $$");
    let answer = bench.answer();
    assert_eq!(answer["error"]["message"], "killed by SIGSEGV");
    assert_eq!((&answer["run"]["exit_code"], &answer["run"]["signal"]), (&Value::Null, &json!("SIGSEGV")));
}

#[test]
fn a_program_that_cannot_be_run_is_not_retried() {
    let mut bench = Bench::new();
    bench.exec(1, &["no-such-program-here"]);
    bench.exec(2, &["/etc/passwd"]);
    bench.job(3, "exec", &json!({"argv": ["true"], "cwd": "/no/where"}));
    bench.job(4, "resize", &json!(null));
    bench.exec(5, &["true"]);
    let types: Vec<Value> = (0..4).map(|_| bench.answer()["error"]["data"]["type"].clone()).collect();
    assert_eq!(types, ["not_found", "not_executable", "bad_cwd", "no_such_type"]);
    assert_eq!(bench.answer()["result"], "");
}

#[test]
fn jobs_that_arrive_while_one_runs_are_done_in_order_and_finished_after_the_end_of_input() {
    let mut bench = Bench::new();
    for id in 1..=20 {
        bench.exec(id, &["echo", &id.to_string()]);
    }
    drop(bench.input.take());
    let results: Vec<Value> = (0..20).map(|_| bench.answer()["result"].clone()).collect();
    assert_eq!(results, (1..=20).map(|id| format!("{id}\n")).collect::<Vec<_>>());
    assert_eq!(bench.ended(), Ended::InputClosed);
}

#[test]
fn a_command_sees_its_job_in_its_environment_and_runs_where_it_is_told() {
    let mut bench = Bench::new();
    let script = "echo $QUEUE_WORK_JOB_ID $QUEUE_WORK_JOB_TYPE $QUEUE_WORK_ATTEMPT $K $PWD; cat";
    bench.job(7, "exec", &json!({"argv": ["sh", "-c", script], "cwd": "/usr", "env": {"K": "v"}}));
    assert_eq!(bench.answer()["result"], "107 exec 2 v /usr\n");
}

#[test]
fn a_template_is_filled_in_and_the_job_is_on_stdin() {
    let mut bench = Bench::template(&["sh", "-c", "echo $1; cat", "sh", "{w}x"]);
    bench.job(1, "resize", &json!({"w": 3}));
    let result = bench.answer()["result"].as_str().expect("a text").to_owned();
    let (first, job) = result.split_once('\n').expect("two lines");
    assert_eq!(first, "3x");
    assert_eq!(serde_json::from_str::<Value>(job).expect("JSON")["args"], json!({"w": 3}));
    bench.job(2, "resize", &json!({"h": 3}));
    assert_eq!(bench.answer()["error"]["data"], json!({"type": "invalid", "retry": false}));
}

#[test]
fn a_command_that_does_not_read_its_stdin_is_not_waited_for() {
    let mut bench = Bench::template(&["true"]);
    for id in 1..=3 {
        bench.job(id, "big", &json!("x".repeat(1 << 20)));
        assert_eq!(bench.answer()["result"], "", "job {id}");
    }
}

#[test]
fn a_grandchild_that_holds_the_pipes_does_not_delay_the_answer_and_is_ended() {
    let mut bench = Bench::new();
    bench.sh(1, "sleep 1000 & echo $!");
    let pid: i32 = bench.answer()["result"].as_str().expect("a text").trim().parse().expect("a pid");
    // KILL was sent; the process ends when it is next scheduled.
    let gone = || fs::read_to_string(format!("/proc/{pid}/stat")).map_or(true, |s| s.contains(") Z "));
    let end = clock::instant() + DEADLINE;
    while !gone() {
        assert!(clock::instant() < end, "the grandchild is still there");
        std::thread::yield_now();
    }
}

#[test]
fn a_grandchild_that_never_stops_printing_does_not_delay_the_answer() {
    let mut bench = Bench::new();
    bench.sh(1, "setsid yes & echo ok >&2");
    assert!(bench.answer()["result"].is_string());
}

#[test]
fn floods_are_cut_and_marked() {
    let mut bench = Bench::new();
    let mut log = bench.log.take().expect("open");
    let drain = spawn(move || std::io::copy(&mut log, &mut std::io::sink()).expect("a log"));
    bench.sh(1, "yes out | head -c 10000000; yes err | head -c 3000000 >&2");
    let answer = bench.answer();
    let result = answer["result"].as_str().expect("a text");
    assert!(result.starts_with('…') && result.len() == 64 * 1024 + '…'.len_utf8(), "{} bytes", result.len());
    assert_eq!(answer["run"]["stderr_tail"], ["err"; 20].join("\n"));
    drop(bench);
    assert_eq!(drain.join().expect("drained"), 3_000_000);
}

#[test]
fn a_log_that_nobody_reads_holds_up_neither_the_answer_nor_a_cancel() {
    let mut bench = Bench::new();
    bench.sh(1, "yes err | head -c 150000 >&2; echo last >&2; echo out");
    let answer = bench.answer();
    assert_eq!(answer["result"], "out\n");
    assert!(answer["run"]["stderr_tail"].as_str().expect("a text").ends_with("err\nlast"), "{answer}");
    bench.sh(2, "exec yes >&2");
    bench.cancel(2, "timeout");
    assert_eq!(bench.answer()["error"]["data"]["type"], "timeout");
}

#[test]
fn a_cancelled_command_gets_term_and_the_answer_is_the_reason() {
    let dir = tempfile::tempdir().expect("a folder");
    let at = fifo(&dir);
    let mut bench = Bench::new();
    bench.sh(1, &format!("trap 'echo bye; exit 0' TERM; echo > {}; while :; do sleep 1000 & wait; done", at.display()));
    bench.exec(2, &["true"]);
    bench.exec(3, &["echo", "three"]);
    begun(&at);
    bench.cancel(2, "cancelled");
    bench.cancel(99, "cancelled");
    bench.cancel(1, "timeout");
    let (second, first, third) = (bench.answer(), bench.answer(), bench.answer());
    assert_eq!((&second["id"], &second["error"]["data"]["type"]), (&json!(2), &json!("cancelled")));
    assert_eq!(second["run"], Value::Null);
    assert_eq!((&first["id"], &first["error"]["data"]["type"]), (&json!(1), &json!("timeout")));
    assert_eq!(first["run"]["exit_code"], 0);
    assert_eq!(third["result"], "three\n");
}

#[test]
fn a_command_that_ignores_term_is_killed_after_the_grace() {
    let dir = tempfile::tempdir().expect("a folder");
    let at = fifo(&dir);
    let mut bench = Bench::new();
    bench.sh(1, &format!("trap '' TERM; echo > {}; while :; do sleep 1000; done", at.display()));
    begun(&at);
    bench.cancel(1, "shutdown");
    let answer = bench.answer();
    assert_eq!((&answer["error"]["data"]["type"], &answer["run"]["signal"]), (&json!("shutdown"), &json!("SIGKILL")));
}

#[test]
fn when_nobody_reads_the_answers_the_command_is_killed() {
    let (child_exits, on_exit) = UnixStream::pair().expect("a pair");
    let exits = signal_hook::low_level::pipe::register(SIGCHLD, on_exit).expect("a handler");
    let (input, mut jobs) = pipe().expect("a pipe");
    let (output, answers) = pipe().expect("a pipe");
    let (mut log, errors) = pipe().expect("a pipe");
    let (terminate, _keep) = UnixStream::pair().expect("a pair");
    let io =
        Io { input: input.into(), output: answers.into(), log: errors.into(), child_exits, terminate, alone: false };
    let worker = spawn(move || serve(io, None).expect("the loop goes on"));
    writeln!(jobs, r#"{{"id":1,"method":"job","params":{{"type":"exec","args":{{"argv":["sh","-c","echo up >&2; exec sleep 1000"]}}}}}}"#)
        .expect("a reader");
    let mut up = [0; 3];
    log.read_exact(&mut up).expect("the command says that it is up");
    drop(output);
    assert_eq!(worker.join().expect("an end"), Ended::OutputGone);
    // The command held the only other write end of its stderr; ours is gone with the loop.
    assert_eq!(log.read(&mut up).expect("the end"), 0);
    signal_hook::low_level::unregister(exits);
}

#[test]
fn what_is_no_message_is_logged_and_an_unknown_request_is_refused() {
    let mut bench = Bench::new();
    bench.input.as_mut().expect("open").write_all(b"hello\n{\"id\":5,\"method\":\"ping\"}\n").expect("a reader");
    assert_eq!(bench.answer()["error"]["code"], -32601);
    bench.exec(1, &["echo", "still there"]);
    assert_eq!(bench.answer()["result"], "still there\n");
    bench.input.as_mut().expect("open").write_all(b"{\"id\":6,\"met").expect("a reader");
    let log = bench.finish();
    assert!(log.contains("a line from the master cannot be read") && log.contains("it is dropped"), "{log}");
}

/// A hexadecimal mask of this process, such as `SigIgn`.
fn mask(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("a status");
    let line = status.lines().find_map(|l| l.strip_prefix(name)).expect("a mask");
    u64::from_str_radix(line.trim(), 16).expect("a number")
}

/// How many files of this process a child inherits.
fn inherited() -> usize {
    let infos = fs::read_dir("/proc/self/fdinfo").expect("a folder");
    let texts = infos.filter_map(|info| fs::read_to_string(info.ok()?.path()).ok());
    let flags = texts.filter_map(|text| {
        let flags = text.lines().find_map(|l| l.strip_prefix("flags:").map(str::trim))?;
        u32::from_str_radix(flags, 8).ok()
    });
    flags.filter(|flags| flags & 0o2_000_000 == 0).count()
}

#[test]
fn a_command_starts_with_the_signals_and_files_that_the_worker_was_started_with() {
    /// Signals that a program may use: 32 and 33 belong to the C library, whose `posix_spawn` has its own ways with them.
    const ORDINARY: u64 = 0x7fff_ffff;
    /// Rust ignores it for itself only.
    const SIGPIPE: u64 = 1 << 12;
    let mut bench =
        Bench::template(&["sh", "-c", "grep -E 'Sig(Blk|Ign)' /proc/self/status; ls /proc/self/fd | wc -l"]);
    bench.job(1, "x", &json!(null));
    let answer = bench.answer();
    let words: Vec<&str> = answer["result"].as_str().expect("a text").split_whitespace().collect();
    let number = |at: usize| u64::from_str_radix(words[at], 16).expect("a number") & ORDINARY;
    assert_eq!((number(1), number(3)), (0, mask("SigIgn:") & ORDINARY & !SIGPIPE), "{words:?}");
    // `ls` itself has the folder open.
    assert_eq!(words[4], (inherited() + 1).to_string());
}
