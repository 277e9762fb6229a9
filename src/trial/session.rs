//! The process of a worker that is tried: its pipes, what is typed, signals and time, around the decisions of [`Life`].
//!
//! A thread for each thing that blocks, and one channel that has little room: who writes faster than it is read waits. Invariants:
//! the process and its group are gone when this is over, and what it wrote before its end is heard before its end.

use std::ffi::OsString;
use std::io::{self, BufRead, Read, Write};
use std::ops::ControlFlow;
use std::process::ChildStdin;
use std::thread::Builder;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, unbounded};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::life::{Life, PRINTED};
use super::{Conversation, Over, Question, Step};
use crate::clock::Clock;
use crate::model::payload::MAX_LINE_BYTES;
use crate::model::supervision::StopSignal;
use crate::model::worker::Exit;
use crate::model::{Mono, Now};
use crate::process::child::Child;
use crate::process::exits;
use crate::process::spawn::{Program, SpawnError, Spawned, Spec, StdinKind, resolve, spawn};
use crate::process::start_step;
use crate::wire::lines::{Line, Lines};

/// How long the pipes of a worker that has ended are read, if a child of it holds them open.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// News that wait.
const ROOM: usize = 64;
const CHUNK: usize = 64 * 1024;

/// A program with its arguments and the variables that it gets.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) words: Vec<OsString>,
    /// The name of its pool.
    pub(crate) pool: String,
}

/// Where questions come from.
#[derive(Debug)]
pub(crate) enum Asked {
    List(Vec<Question>),
    /// Lines of our standard input.
    Typed,
}

/// Something to tell.
#[derive(Debug)]
pub(crate) enum Happened<'a> {
    Started {
        pid: u32,
    },
    /// A line to the worker, and what it means.
    Sent(&'static str, &'a [u8]),
    /// A line of the worker, and what it means.
    Heard(&'static str, &'a [u8]),
    Stderr(&'a [u8]),
    /// A mistake of the program.
    Wrong(&'a str),
    /// A mistake in what was typed.
    NotAsked(String),
    Over(Over),
    Closed,
    Signalled(&'static str),
    Ended(Exit),
}

/// Hears what happens, and when; may end it all.
pub(crate) type Tell<'a> = &'a mut dyn FnMut(Mono, Happened<'_>) -> ControlFlow<()>;

enum News {
    Stdout(Vec<u8>),
    Stderr(Vec<u8>),
    /// One of the two is closed.
    PipeEnded,
    Typed(String),
    TypedAll,
    Signal(i32),
}

/// Runs a program until it has ended.
pub(crate) fn run(
    command: &Command,
    worker: Box<dyn Conversation>,
    asked: Asked,
    ready_within: Duration,
    tell: Tell<'_>,
) -> Result<(), SpawnError> {
    let io_error = |source| SpawnError::Io { program: command.shown(), source };
    let (to, news) = bounded(ROOM);
    // Before the child is there: its end is a signal.
    let signals = Signals::new([SIGCHLD, SIGINT, SIGTERM, SIGHUP]).map_err(io_error)?;
    let clock = Clock::start();
    let spawned = spawn(&command.spec()?)?;
    let Spawned { child, stdin, stdout, stderr, protocol: _ } = spawned;
    let (input, lines) = unbounded();
    start("signals", signals_to(signals, to.clone())).map_err(io_error)?;
    start("stdout", chunks_to(stdout, to.clone(), News::Stdout)).map_err(io_error)?;
    start("stderr", chunks_to(stderr, to.clone(), News::Stderr)).map_err(io_error)?;
    start("stdin", writes_to(stdin, lines)).map_err(io_error)?;
    let list = match asked {
        Asked::List(list) => Some(list),
        Asked::Typed => {
            start("typed", typed_to(to)).map_err(io_error)?;
            None
        }
    };
    // What began before the worker could hear it is told first.
    let _ = tell(Mono(0), Happened::Started { pid: child.pid() });
    let (life, steps) = Life::start(worker, ready_within, clock.now());
    let lines = Lines::new(MAX_LINE_BYTES);
    let errors = Lines::new(MAX_LINE_BYTES);
    let mut session = Session {
        clock,
        life,
        child,
        input: Some(input),
        lines,
        errors,
        open_pipes: 2,
        ended: None,
        is_over: false,
        tell,
    };
    session.perform(steps, &[]);
    if let Some(list) = list {
        for question in list {
            let steps = session.life.ask(question, session.now());
            session.perform(steps, &[]);
        }
        let steps = session.life.no_more(session.now());
        session.perform(steps, &[]);
    }
    session.go_on(&news);
    Ok(())
}

impl Command {
    pub(crate) fn shown(&self) -> String {
        self.words.first().map(|word| word.to_string_lossy().into_owned()).unwrap_or_default()
    }

    fn spec(&self) -> Result<Spec, SpawnError> {
        let (program, args) = self
            .words
            .split_first()
            .ok_or_else(|| SpawnError::NotFound { program: String::new(), why: "there is no command".to_owned() })?;
        let path = resolve(program, None, std::env::var_os("PATH").as_deref())?;
        let name = format!("{}-1", self.pool);
        let env = [("POOL", &*self.pool), ("WORKER", &*name), ("SLOT", "1"), ("PROTOCOL", "1")];
        Ok(Spec {
            program: Program::Other(path),
            args: args.to_vec(),
            cwd: None,
            env: env.map(|(name, value)| (format!("QUEUE_WORK_{name}").into(), value.into())).into(),
            env_remove: Vec::new(),
            stdin: StdinKind::Pipe,
            protocol_fd: None,
            sockets: Vec::new(),
            step: start_step::Step::default(),
            mark: None,
        })
    }
}

struct Session<'a> {
    clock: Clock,
    life: Life,
    child: Child,
    /// `None`: closed.
    input: Option<Sender<Vec<u8>>>,
    lines: Lines,
    errors: Lines,
    open_pipes: u32,
    /// How the process ended, and how long its pipes are read.
    ended: Option<(Exit, Mono)>,
    is_over: bool,
    tell: Tell<'a>,
}

impl Session<'_> {
    fn now(&self) -> Now {
        self.clock.now()
    }

    fn go_on(&mut self, news: &Receiver<News>) {
        while !self.is_over {
            let deadline = self.ended.map(|(_, until)| until).or_else(|| self.life.next_deadline());
            let news = match deadline {
                None => news.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(at) => news.recv_timeout(at.since(self.now().mono)),
            };
            match news {
                Ok(news) => self.hear(news),
                Err(RecvTimeoutError::Timeout) => self.tick(),
                Err(RecvTimeoutError::Disconnected) => self.is_over = true,
            }
            self.look_for_end();
        }
    }

    fn hear(&mut self, news: News) {
        match news {
            News::Stdout(chunk) => self.hear_lines(&chunk),
            News::Stderr(chunk) => {
                let mut errors = std::mem::replace(&mut self.errors, Lines::new(0));
                errors.push(&chunk, |line| self.say(Happened::Stderr(text_of(line))));
                self.errors = errors;
            }
            News::PipeEnded => self.open_pipes -= 1,
            News::Typed(text) if text.trim().is_empty() => {}
            News::Typed(text) => match Question::read(&text) {
                Ok(question) => {
                    let steps = self.life.ask(question, self.now());
                    self.perform(steps, &[]);
                }
                Err(why) => self.say(Happened::NotAsked(why)),
            },
            News::TypedAll => {
                let steps = self.life.no_more(self.now());
                self.perform(steps, &[]);
            }
            News::Signal(SIGCHLD) => self.reap(),
            News::Signal(_) => {
                let steps = self.life.interrupt(self.now());
                self.perform(steps, &[]);
            }
        }
    }

    fn hear_lines(&mut self, chunk: &[u8]) {
        let mut lines = std::mem::replace(&mut self.lines, Lines::new(0));
        lines.push(chunk, |line| match line {
            Line::Whole(line) => {
                let steps = self.life.hear(line, self.now());
                self.perform(steps, line);
            }
            Line::TooLong { head, bytes } => {
                self.say(Happened::Heard(PRINTED, head));
                self.say(Happened::Wrong(&format!("the line has {bytes} bytes; the limit is {MAX_LINE_BYTES}")));
            }
        });
        self.lines = lines;
    }

    fn tick(&mut self) {
        if self.ended.is_none() {
            let steps = self.life.tick(self.now(), self.lines.rest());
            self.perform(steps, &[]);
        }
    }

    fn reap(&mut self) {
        if self.ended.is_some() || !exits::has_ended(self.child.pid()) {
            return;
        }
        // Its children go with it, while their group cannot be another one.
        let _ = self.child.kill();
        if let Ok(Some(ended)) = self.child.reap() {
            self.ended = Some((ended.exit, self.now().mono + LAST_WORDS));
        }
    }

    /// The end is told when nothing more comes.
    fn look_for_end(&mut self) {
        let Some((exit, until)) = self.ended else { return };
        if self.open_pipes > 0 && self.now().mono < until {
            return;
        }
        self.is_over = true;
        let rest = self.errors.rest().to_vec();
        if !rest.is_empty() {
            self.say(Happened::Stderr(&rest));
        }
        self.say(Happened::Ended(exit));
        let rest = self.lines.rest().to_vec();
        let steps = self.life.ended(exit, &rest, self.now());
        self.perform(steps, &rest);
    }

    /// `line`: the one that was heard.
    fn perform(&mut self, steps: Vec<Step>, line: &[u8]) {
        for step in steps {
            match step {
                Step::Say(word, text) => {
                    self.say(Happened::Sent(word, text.trim_ascii_end()));
                    // A worker that has ended hears nothing.
                    let _ = self.input.as_ref().map(|input| input.send(text));
                }
                Step::Heard(word) => self.say(Happened::Heard(word, line)),
                Step::Wrong(text) => self.say(Happened::Wrong(&text)),
                Step::Over(over) => self.say(Happened::Over(over)),
                Step::Close => {
                    self.say(Happened::Closed);
                    self.input = None;
                }
                Step::Terminate => self.signal("SIGTERM", |child| child.terminate(StopSignal::Term)),
                Step::Kill => self.signal("SIGKILL", Child::kill),
            }
        }
    }

    fn signal(&mut self, name: &'static str, send: fn(&Child) -> io::Result<()>) {
        self.say(Happened::Signalled(name));
        if let Err(error) = send(&self.child) {
            log::warn!("{name} cannot be sent: {error}");
        }
    }

    fn say(&mut self, what: Happened<'_>) {
        let at = self.now().mono;
        // A child that is dropped is killed with its group.
        self.is_over |= (self.tell)(at, what).is_break();
    }
}

const fn text_of(line: Line<'_>) -> &[u8] {
    match line {
        Line::Whole(text) | Line::TooLong { head: text, .. } => text,
    }
}

fn start(name: &str, body: impl FnOnce() + Send + 'static) -> io::Result<()> {
    Builder::new().name(name.to_owned()).spawn(body).map(drop)
}

fn signals_to(mut signals: Signals, to: Sender<News>) -> impl FnOnce() {
    move || {
        for signal in signals.forever() {
            if to.send(News::Signal(signal)).is_err() {
                return;
            }
        }
    }
}

fn chunks_to(mut pipe: impl Read, to: Sender<News>, news: fn(Vec<u8>) -> News) -> impl FnOnce() {
    move || {
        let mut chunk = vec![0; CHUNK];
        loop {
            match pipe.read(&mut chunk) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(bytes @ 1..) if to.send(news(chunk[..bytes].to_vec())).is_ok() => {}
                _ => break,
            }
        }
        // The session may be over.
        let _ = to.send(News::PipeEnded);
    }
}

fn writes_to(stdin: Option<ChildStdin>, lines: Receiver<Vec<u8>>) -> impl FnOnce() {
    move || {
        let Some(mut stdin) = stdin else { return };
        for line in lines {
            if let Err(error) = stdin.write_all(&line) {
                log::debug!("the worker takes no input: {error}");
                return;
            }
        }
    }
}

fn typed_to(to: Sender<News>) -> impl FnOnce() {
    move || {
        for line in io::stdin().lock().lines() {
            let Ok(line) = line else { break };
            if to.send(News::Typed(line)).is_err() {
                return;
            }
        }
        let _ = to.send(News::TypedAll);
    }
}
