//! One push at a time to an idle pool: when the worker has it, and when the push is answered.
//!
//! The clock starts just before the push is written. A worker takes the time as the first thing it does with a job;
//! both processes read the same clock. Our answer comes after a sync; that of beanstalkd waits for one with `-f0` only.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use queue_work::testing::model::Pushed;
use serde_json::json;

use super::Case;
use super::drain::both;
use crate::Outcome;
use crate::beanstalk::{Connection, Server, Workers};
use crate::clock::{now_ns, pause, until};
use crate::figures::{Row, Samples, Target, Unit, percentile};
use crate::least::{LEAST, Least};
use crate::ours::Master;
use crate::roles::{self, Stamp};
use crate::setting::Setting;

const WORKERS: u32 = 4;
const DEADLINE: Duration = Duration::from_secs(10);
const UNSYNCED: &str = "beanstalkd, unsynced";
const SYNCED: &str = "beanstalkd -f0";

/// How long a push takes to arrive.
pub(crate) static LATENCY: Case = Case {
    name: "latency",
    about: "from a push to the worker and to the answer, 4 idle workers, one push each 5 to 20 ms",
    rows: &[
        row("worker-p50", "push → worker has it, idle pool, p50", 0.20),
        row("worker-p99", "… p99", 1.0),
        row("answer-p50", "push → answer, synced, p50", 0.5),
        row("answer-p99", "… p99", 1.5),
    ],
    once,
};

const fn row(key: &'static str, what: &'static str, at_most: f64) -> Row {
    Row { key, what, unit: Unit::Millis, target: Target::AtMost(at_most), peers: &[UNSYNCED, SYNCED, LEAST] }
}

/// When a push was begun and when it was answered.
#[derive(Clone, Copy)]
struct Push {
    begun_ns: u64,
    answered_ns: u64,
}

fn once(setting: &Setting<'_>, samples: &mut Samples) -> Outcome<()> {
    let ours = |samples: &mut Samples| {
        ours(setting)?.each(|key, value| samples.ours(key, value));
        Ok(())
    };
    let peers = |samples: &mut Samples| {
        least(setting)?.each(|key, value| samples.peer(key, LEAST, value));
        for (peer, options) in [(UNSYNCED, &[][..]), (SYNCED, &["-f0"])] {
            let Some(times) = beanstalkd(setting, peer, options)? else {
                samples.missing("beanstalkd", "not installed");
                return Ok(());
            };
            times.each(|key, value| samples.peer(key, peer, value));
        }
        Ok(())
    };
    both(setting, samples, ours, peers)
}

/// Milliseconds to the worker, and to the answer; p50 and p99 of each.
pub(super) struct Times {
    pub(super) worker: (f64, f64),
    answer: (f64, f64),
}

impl Times {
    /// The figure of each row.
    fn each(&self, mut take: impl FnMut(&'static str, f64)) {
        take("worker-p50", self.worker.0);
        take("worker-p99", self.worker.1);
        take("answer-p50", self.answer.0);
        take("answer-p99", self.answer.1);
    }
}

fn ours(setting: &Setting<'_>) -> Outcome<Times> {
    onto(setting, &setting.dir.join("q.db"))
}

/// Of pushes to a master of this store.
pub(super) fn onto(setting: &Setting<'_>, database: &Path) -> Outcome<Times> {
    let stamps = setting.folder("stamps")?;
    let master = Master::start(setting, database, WORKERS, &[], &roles::stamping(setting, &stamps))?;
    master.warm_up("stamp", "[0, 0]")?;
    let mut client = master.client()?;
    let pushes = at_intervals(setting, |number| {
        let _: Pushed = client.call("push", &json!({ "type": "stamp", "args": [number, 0] }))?;
        Ok(())
    })?;
    master.wait_until_done(48 + pushes.len() as u64)?;
    master.stop()?;
    times(&pushes, &roles::read(&stamps)?)
}

fn least(setting: &Setting<'_>) -> Outcome<Times> {
    let stamps = setting.folder("least-stamps")?;
    let least = Least::server(setting, Some(&stamps))?;
    let mut client = BufReader::new(UnixStream::connect(&least.socket)?);
    let pushes = at_intervals(setting, |number| {
        client.get_mut().write_all(format!("push {number}\n").as_bytes())?;
        client.read_line(&mut String::new())?;
        Ok(())
    })?;
    drop(least);
    // Its worker writes what it has stamped as soon as nobody writes to it any more.
    until("the stamps", DEADLINE, Duration::from_millis(1), || Ok(roles::read(&stamps)?.len() >= pushes.len()))?;
    times(&pushes, &roles::read(&stamps)?)
}

fn beanstalkd(setting: &Setting<'_>, peer: &str, options: &[&str]) -> Outcome<Option<Times>> {
    let stamps = setting.folder(&format!("{peer}-stamps"))?;
    let Some(server) = Server::start(setting, peer, options)? else { return Ok(None) };
    let workers = Workers::start(u64::from(WORKERS), || roles::raw_stamping(setting, &server.socket, &stamps))?;
    let mut client = Connection::open(&server.socket)?;
    client.put_many(48, b"0")?;
    client.wait_until_empty()?;
    let pushes = at_intervals(setting, |number| client.put(number.to_string().as_bytes()))?;
    client.put_ends(u64::from(WORKERS))?;
    workers.ended()?;
    times(&pushes, &roles::read(&stamps)?).map(Some)
}

/// One push each 5 to 20 ms; the first has number 1.
fn at_intervals(setting: &Setting<'_>, mut push: impl FnMut(u64) -> Outcome<()>) -> Outcome<Vec<Push>> {
    let mut all = Vec::new();
    for number in 1..=setting.n(400, 40) {
        pause(Duration::from_millis(5 + number * 7 % 16));
        let begun_ns = now_ns();
        push(number)?;
        all.push(Push { begun_ns, answered_ns: now_ns() });
    }
    Ok(all)
}

fn times(pushes: &[Push], stamps: &[Stamp]) -> Outcome<Times> {
    let millis = |from: u64, to: u64| to.saturating_sub(from) as f64 / 1e6;
    let answers: Vec<f64> = pushes.iter().map(|push| millis(push.begun_ns, push.answered_ns)).collect();
    let stamped = stamps.iter().filter_map(|s| Some((s, pushes.get(s.job.checked_sub(1)? as usize)?)));
    let workers: Vec<f64> = stamped.map(|(stamp, push)| millis(push.begun_ns, stamp.at_ns)).collect();
    if workers.len() != pushes.len() {
        return Err(format!("{} jobs were pushed and {} stamped", pushes.len(), workers.len()).into());
    }
    let of = |times: &[f64], percent| percentile(times, percent).ok_or("nothing was pushed");
    Ok(Times { worker: (of(&workers, 50.0)?, of(&workers, 99.0)?), answer: (of(&answers, 50.0)?, of(&answers, 99.0)?) })
}
