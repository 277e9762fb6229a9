//! Who pushes: over the control socket one at a time and in batches, and with the command line, also while no master
//! runs. Every job has a key that makes its push idempotent; a push whose answer got lost is repeated with it.

use std::io::{Read, Write};
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};

use crate::clock;
use crate::deeds::Deed;
use crate::dice::Dice;
use crate::ledger::Ledger;
use crate::support::Bench;
use crate::talk::Talk;
use crate::worker;

/// Between two attempts, while nobody listens or nothing may be pushed.
const PAUSE: Duration = Duration::from_millis(3);
/// Jobs of a batch over the socket, and of one with the command line.
const BATCH: u64 = 8;

/// How somebody pushes.
#[derive(Clone, Copy, Debug)]
enum Way {
    Single,
    Batch,
    Command,
    Lines,
}

const WAYS: [Way; 5] = [Way::Single, Way::Single, Way::Batch, Way::Command, Way::Lines];

/// Everything the pushers share.
pub(crate) struct Pushers<'a> {
    pub(crate) bench: &'a Bench,
    pub(crate) ledger: &'a Ledger,
    pub(crate) seed: u64,
}

/// A job to push.
struct Wish {
    tag: String,
    job: Value,
}

impl Pushers<'_> {
    /// Starts them all.
    pub(crate) fn start<'scope, 'env>(&'env self, scope: &'scope std::thread::Scope<'scope, 'env>) {
        for (n, way) in WAYS.into_iter().enumerate() {
            scope.spawn(move || self.push_on(n as u64, way));
        }
    }

    fn push_on(&self, number: u64, way: Way) {
        let mut dice = Dice::new(self.seed, 1_000_000 + number);
        let mut count = 0;
        let mut talk = None;
        let batch = if matches!(way, Way::Single | Way::Command) { 1 } else { BATCH };
        while !self.ledger.is_over() {
            let Some(_busy) = self.ledger.take(batch) else {
                clock::pass(PAUSE);
                continue;
            };
            let wishes: Vec<Wish> = (0..batch)
                .map(|_| {
                    count += 1;
                    self.wish(&mut dice, number, count)
                })
                .collect();
            while !self.ledger.is_over() && !self.push(&wishes, way, &mut talk) {
                clock::pass(PAUSE);
            }
        }
    }

    fn wish(&self, dice: &mut Dice, pusher: u64, number: u64) -> Wish {
        let deed = Deed::draw(dice);
        let ms = dice.weighted(&[(60, 0), (25, dice.clone().between(2, 15)), (12, 60), (3, 200)]);
        let (queue, job) = match dice.below(10) {
            0 if matches!(deed, Deed::Well | Deed::Twice | Deed::Fails) => ("py", None),
            1 | 2 if deed != Deed::Never => ("cmd", Some(())),
            3 | 4 => ("many", None),
            5 | 6 => ("slow", None),
            _ => ("fast", None),
        };
        let tag = format!("{pusher}-{number}.{}", deed.word());
        let mut wish = json!({"queue": queue, "unique": tag});
        if job.is_some() {
            let witness = self.bench.path().join("witness");
            let env = json!({worker::ROLE: "command", worker::WITNESS: witness, worker::DEED: deed.word(),
                             worker::MS: ms.to_string()});
            wish["type"] = json!("exec");
            wish["args"] = json!({"argv": worker::command_line(), "cwd": self.bench.path(), "env": env});
        } else {
            wish["type"] = json!(deed.word());
            wish["args"] = json!({"ms": ms});
        }
        match deed {
            Deed::Late => wish["timeout"] = json!("150ms"),
            _ if dice.percent(4) => wish["delay"] = json!("80ms"),
            _ if dice.percent(10) => wish["priority"] = json!(dice.between(0, 4) as i64 - 2),
            _ => {}
        }
        Wish { tag, job: wish }
    }

    /// Pushes these; whether that was acknowledged.
    fn push(&self, wishes: &[Wish], way: Way, talk: &mut Option<Talk>) -> bool {
        for wish in wishes {
            self.ledger.intend(&wish.tag);
        }
        let jobs: Vec<&Value> = wishes.iter().map(|wish| &wish.job).collect();
        let ids = match way {
            Way::Single => self.over_the_socket(talk, "push", jobs[0], |result| Some(vec![result["id"].as_i64()?])),
            Way::Batch => self.over_the_socket(talk, "push_many", &json!({"jobs": jobs, "ids": true}), |result| {
                result["ids"].as_array()?.iter().map(Value::as_i64).collect()
            }),
            Way::Command | Way::Lines => self.by_command(&jobs),
        };
        let Some(ids) = ids else { return false };
        assert_eq!(ids.len(), wishes.len(), "not an id for each job");
        ids.iter().zip(wishes).for_each(|(id, wish)| self.ledger.acknowledge(*id, &wish.tag));
        true
    }

    fn over_the_socket(
        &self,
        talk: &mut Option<Talk>,
        method: &str,
        params: &Value,
        ids: impl FnOnce(&Value) -> Option<Vec<i64>>,
    ) -> Option<Vec<i64>> {
        if talk.is_none() {
            *talk = Talk::open(&self.bench.path().join("q.db.sock")).ok();
        }
        let answer = talk.as_mut()?.ask(method, params);
        if let Ok(Ok(result)) = answer {
            return Some(ids(&result).unwrap_or_else(|| panic!("not an answer to {method}: {result}")));
        }
        // Refused in order, or nobody knows: another attempt with the same key is right in both cases.
        *talk = None;
        None
    }

    /// `push --jsonl`, which writes to the store itself where no master runs.
    fn by_command(&self, jobs: &[&Value]) -> Option<Vec<i64>> {
        let mut command = self.bench.command(&["push", "--jsonl", "--ids"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the binary can be started");
        let lines = jobs.iter().map(|job| job.to_string() + "\n").collect::<String>();
        let written = child.stdin.take().expect("a pipe").write_all(lines.as_bytes());
        let mut text = String::new();
        let read = child.stdout.take().expect("a pipe").read_to_string(&mut text);
        let status = child.wait().expect("our child");
        let complete = written.is_ok() && read.is_ok() && status.success();
        complete.then(|| text.lines().map(|line| line.parse().expect("an id")).collect())
    }
}
