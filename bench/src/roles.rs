//! What this program does when it starts itself: as a worker of queue-work or of beanstalkd, or as the least that could be
//! done.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::Outcome;
use crate::beanstalk::{Connection, END};
use crate::clock::{now_ns, pause};
use crate::least;
use crate::setting::Setting;

/// The argument that makes something else of this program.
pub(crate) const ROLE: &str = "--role";

/// When a worker was given which job.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamp {
    pub(crate) job: u64,
    pub(crate) at_ns: u64,
}

/// Runs a role; `words` is what follows [`ROLE`].
pub(crate) fn run(words: &[String]) -> Outcome<()> {
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["least-server", socket, log] => least::serve(Path::new(socket), Path::new(log), None),
        ["least-server", socket, log, stamps] => {
            least::serve(Path::new(socket), Path::new(log), Some(Path::new(stamps)))
        }
        ["least-calls", socket] => least::answer(Path::new(socket)),
        ["least-supervisor", program, workers] => least::supervise(Path::new(program), workers.parse()?),
        ["stamp", stamps] => stamp(Path::new(stamps)),
        ["beanstalk-drain", socket] => beanstalk_drain(Path::new(socket)),
        ["beanstalk-stamp", socket, stamps] => beanstalk_stamp(Path::new(socket), Path::new(stamps)),
        other => Err(format!("there is no role {other:?}").into()),
    }
}

/// The command line of a worker of queue-work that stamps jobs.
pub(crate) fn stamping(setting: &Setting<'_>, stamps: &Path) -> Vec<std::ffi::OsString> {
    vec![setting.tools.own.clone().into(), ROLE.into(), "stamp".into(), stamps.into()]
}

/// The same, of the least server.
pub(crate) fn stamp_into<'a>(command: &'a mut Command, stamps: &Path) -> &'a mut Command {
    command.args([ROLE, "stamp"]).arg(stamps)
}

/// A worker of beanstalkd in this program.
pub(crate) fn raw(setting: &Setting<'_>, socket: &Path) -> Command {
    let mut command = Command::new(&setting.tools.own);
    command.arg(ROLE).arg("beanstalk-drain").arg(socket);
    command
}

/// The same, with a stamp of each job.
pub(crate) fn raw_stamping(setting: &Setting<'_>, socket: &Path, stamps: &Path) -> Command {
    let mut command = Command::new(&setting.tools.own);
    command.arg(ROLE).arg("beanstalk-stamp").arg(socket).arg(stamps);
    command
}

/// The stamps that the workers have left in a folder when they ended.
pub(crate) fn read(folder: &Path) -> Outcome<Vec<Stamp>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder)? {
        for line in fs::read_to_string(entry?.path())?.lines() {
            let (job, at_ns) = line.split_once(' ').ok_or("a stamp is incomplete")?;
            all.push(Stamp { job: job.parse()?, at_ns: at_ns.parse()? });
        }
    }
    Ok(all)
}

fn write(stamps: &[Stamp], folder: &Path) -> Outcome<()> {
    let lines: Vec<String> = stamps.iter().map(|s| format!("{} {}\n", s.job, s.at_ns)).collect();
    let path: PathBuf = folder.join(std::process::id().to_string());
    Ok(fs::write(path, lines.concat())?)
}

/// A worker of queue-work: the first thing it does with a job is to take the time. The args are `[number, milliseconds]`;
/// it sleeps for those, then answers. What it has stamped is written when it ends.
fn stamp(folder: &Path) -> Outcome<()> {
    let mut input = BufReader::with_capacity(64 * 1024, std::io::stdin().lock());
    let mut output = std::io::stdout().lock();
    let mut stamps = Vec::new();
    let mut line = Vec::new();
    while input.read_until(b'\n', &mut line)? > 0 {
        let at_ns = now_ns();
        let text = std::str::from_utf8(&line)?;
        if let (Some(id), Some(args)) = (after(text, "\"id\":"), after(text, "\"args\":[")) {
            let args: Vec<u64> = args.split(']').next().unwrap_or("").split(',').flat_map(str::parse).collect();
            let (job, millis) = (args.first().copied().unwrap_or(0), args.get(1).copied().unwrap_or(0));
            stamps.push(Stamp { job, at_ns });
            if millis > 0 {
                pause(Duration::from_millis(millis));
            }
            let id: String = id.chars().take_while(char::is_ascii_digit).collect();
            output.write_all(format!("{{\"id\":{id},\"result\":null}}\n").as_bytes())?;
            output.flush()?;
        }
        line.clear();
    }
    write(&stamps, folder)
}

fn after<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.split_once(name).map(|(_, rest)| rest)
}

/// A worker of beanstalkd; prints when it was given the job that ends it.
fn beanstalk_drain(socket: &Path) -> Outcome<()> {
    let mut server = Connection::open(socket)?;
    server.write(b"reserve\r\n")?;
    loop {
        let (id, body) = server.reserved()?;
        if body == END {
            println!("{}", now_ns());
            return server.delete(id);
        }
        server.delete_and_reserve(id)?;
    }
}

/// The same; the body is the number of the job.
fn beanstalk_stamp(socket: &Path, folder: &Path) -> Outcome<()> {
    let mut server = Connection::open(socket)?;
    server.write(b"reserve\r\n")?;
    let mut stamps = Vec::new();
    loop {
        let (id, body) = server.reserved()?;
        let at_ns = now_ns();
        if body == END {
            server.delete(id)?;
            return write(&stamps, folder);
        }
        stamps.push(Stamp { job: std::str::from_utf8(&body)?.parse()?, at_ns });
        server.delete_and_reserve(id)?;
    }
}
