//! Jobs that come after others: what a push may say of that, and what is wrong with it.
//!
//! Knows no store. Invariant: jobs of one push that pass [`Links`] are in no circle, also where several of them have the same
//! unique key and are one job in the end.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{JobId, JobState, NewJob, QueueName};

/// The most jobs that one job comes after.
pub const MOST_PARENTS: usize = 100_000;
/// The most bytes of results that a job is given of its parents.
pub const MOST_RESULT_BYTES: usize = 1 << 20;

/// A job that another comes after. In JSON its id, or its ref.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged, expecting = "the id of a job, or a ref of the same push")]
pub enum Parent {
    Job(JobId),
    /// The ref of a job in the same push.
    Ref(Box<str>),
}

/// What becomes of a job one of whose parents is dead or cancelled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AfterFailed {
    /// The child is cancelled, and comes back if the parent is retried.
    #[default]
    Cancel,
    /// The child runs as if the parent had succeeded.
    Continue,
    /// The child waits until the parent was retried and has succeeded.
    Wait,
}

impl AfterFailed {
    /// In the order of their numbers in the store.
    pub const ALL: [Self; 3] = [Self::Cancel, Self::Continue, Self::Wait];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cancel => "cancel",
            Self::Continue => "continue",
            Self::Wait => "wait",
        }
    }
}

/// What a new job says of others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct After {
    /// The ref: a name by which jobs of the same push come after it.
    pub name: Option<Box<str>>,
    /// Each once.
    pub parents: Box<[Parent]>,
    pub failed: AfterFailed,
}

/// How a parent stands to a job that comes after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// The job need not wait for it (any more).
    Done,
    /// The parent may still succeed.
    Open,
    /// The parent is dead or cancelled, and may be retried.
    Failed,
    /// The parent was deleted before it had succeeded.
    Gone,
}

impl Standing {
    /// In the order of their numbers in the store.
    pub const ALL: [Self; 4] = [Self::Done, Self::Open, Self::Failed, Self::Gone];

    /// Of a parent in this state; `None`: it is not on record.
    #[must_use]
    pub const fn of(state: Option<JobState>, failed: AfterFailed) -> Self {
        match (state, failed) {
            (Some(JobState::Succeeded), _)
            | (None | Some(JobState::Dead | JobState::Cancelled), AfterFailed::Continue) => Self::Done,
            (Some(JobState::Dead | JobState::Cancelled), _) => Self::Failed,
            (None, _) => Self::Gone,
            (Some(_), _) => Self::Open,
        }
    }

    /// What a job waits for, by the worst of its parents; `None`: it is to be cancelled.
    #[must_use]
    pub const fn is_to_wait(self, failed: AfterFailed) -> Option<bool> {
        match (self, failed) {
            (Self::Done, _) => Some(false),
            (Self::Open, _) | (Self::Failed, AfterFailed::Wait) => Some(true),
            (Self::Failed | Self::Gone, _) => None,
        }
    }
}

/// The results of the parents of a job, as its worker gets them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParentResults {
    /// A JSON object.
    results: String,
    /// Names of parents whose result is not in it: too large, or not on record any more.
    left_out: Vec<Box<str>>,
    named: usize,
}

impl ParentResults {
    /// Adds the result of a parent; `None`: it is not on record.
    pub fn add(&mut self, name: &str, result: Option<&str>) {
        let room = MOST_RESULT_BYTES.saturating_sub(self.results.len() + name.len() + 8);
        let Some(result) = result.filter(|result| result.len() <= room) else {
            // Of very many, only the first are named.
            if self.named + name.len() <= MOST_RESULT_BYTES {
                self.named += name.len() + 8;
                self.left_out.push(name.into());
            }
            return;
        };
        self.results.push(if self.results.is_empty() { '{' } else { ',' });
        self.results.push_str(&serde_json::to_string(name).unwrap_or_default());
        self.results.push(':');
        self.results.push_str(result);
    }

    /// The members for the params of a job, without the braces around them.
    #[must_use]
    pub fn members(&self) -> String {
        let (open, close) = if self.results.is_empty() { ("{", "}") } else { ("", "}") };
        let mut text = format!("\"parents\":{}{open}{close}", self.results);
        if !self.left_out.is_empty() {
            let names = serde_json::to_string(&self.left_out).unwrap_or_default();
            text.extend([",\"parents_left_out\":", &names]);
        }
        text
    }
}

/// What became of jobs in a batch that waited for others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// Queues in which some are ready now.
    pub freed: Vec<QueueName>,
    /// Those that were cancelled.
    pub ended: Vec<JobId>,
    /// Something may be due earlier afterwards.
    pub moved: bool,
}

/// A job of a push that cannot come after what it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadLink {
    /// Which job of the push, from 0.
    pub nth: usize,
    pub why: LinkError,
}

/// Why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    #[error("there is no job {0} that it could come after")]
    Unknown(JobId),
    #[error(
        "job {0} is {state}, so what comes after it would be cancelled; retry that one first (`queue-work jobs retry {0}`), \
         or say `continue` or `wait` as `after_failed`", state = .1.as_str()
    )]
    Failed(JobId, JobState),
    #[error("no job of the same push has the ref `{0}`")]
    UnknownRef(Box<str>),
    #[error("another job of the same push has the ref `{0}`")]
    Twice(Box<str>),
    #[error("it comes after itself, by way of `{0}`")]
    Circle(Box<str>),
}

impl LinkError {
    /// The exit code of the command line for it.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Unknown(_) => 4,
            Self::Failed(..) => 5,
            Self::UnknownRef(_) | Self::Twice(_) | Self::Circle(_) => 2,
        }
    }
}

impl fmt::Display for BadLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "job {}: {}", self.nth + 1, self.why)
    }
}

/// The refs of one push, and who comes after them. Memory holds only jobs that have a ref or come after one.
#[derive(Debug, Default)]
pub struct Links {
    /// The node of each ref, and of each unique key.
    refs: HashMap<Box<str>, usize>,
    keys: HashMap<Box<str>, usize>,
    nodes: Vec<Node>,
}

#[derive(Debug)]
struct Node {
    /// The first job of the push that it stands for.
    nth: usize,
    after: Vec<Box<str>>,
}

impl Links {
    /// Checks the jobs of a push, of which `is_whole` says that there are no others.
    pub fn check(jobs: &[NewJob], is_whole: bool) -> Result<(), BadLink> {
        let mut links = Self::default();
        for (nth, job) in jobs.iter().enumerate() {
            links.add(nth, job)?;
        }
        links.end(is_whole)
    }

    /// Takes in the `nth` job of a push.
    pub fn add(&mut self, nth: usize, job: &NewJob) -> Result<(), BadLink> {
        let Some(after) = &job.after else { return Ok(()) };
        let new = self.nodes.len();
        let node = job.unique.as_ref().map_or(new, |key| *self.keys.entry(key.clone()).or_insert(new));
        if node == new {
            self.nodes.push(Node { nth, after: Vec::new() });
        }
        if let Some(name) = &after.name
            && self.refs.insert(name.clone(), node).is_some()
        {
            return Err(BadLink { nth, why: LinkError::Twice(name.clone()) });
        }
        let refs = after.parents.iter().filter_map(|parent| match parent {
            Parent::Ref(name) => Some(name.clone()),
            Parent::Job(_) => None,
        });
        self.nodes[node].after.extend(refs);
        Ok(())
    }

    /// Checks them together.
    pub fn end(&self, is_whole: bool) -> Result<(), BadLink> {
        let mut parents: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (at, node) in self.nodes.iter().enumerate() {
            for name in &node.after {
                match self.refs.get(name) {
                    Some(&parent) => parents.entry(at).or_default().push(parent),
                    None if is_whole => {
                        return Err(BadLink { nth: node.nth, why: LinkError::UnknownRef(name.clone()) });
                    }
                    None => {}
                }
            }
        }
        let Some((at, parent)) = circle(&parents) else { return Ok(()) };
        let node = &self.nodes[at];
        let name = node.after.iter().find(|name| self.refs.get(*name) == Some(&parent)).cloned().unwrap_or_default();
        Err(BadLink { nth: node.nth, why: LinkError::Circle(name) })
    }
}

/// Something that comes after itself, if there is any, with one of its parents by way of which it does.
#[must_use]
pub fn circle<T: Copy + Ord>(parents: &BTreeMap<T, Vec<T>>) -> Option<(T, T)> {
    let mut children: BTreeMap<T, Vec<T>> = BTreeMap::new();
    let mut open: BTreeMap<T, usize> = BTreeMap::new();
    let mut free: Vec<T> = Vec::new();
    for (&node, parents) in parents {
        open.insert(node, parents.len());
        for parent in parents {
            children.entry(*parent).or_default().push(node);
        }
    }
    free.extend(children.keys().filter(|node| !open.contains_key(node)));
    while let Some(node) = free.pop() {
        for child in children.get(&node).into_iter().flatten() {
            let left = open.get_mut(child)?;
            *left -= 1;
            if *left == 0 {
                open.remove(child);
                free.push(*child);
            }
        }
    }
    // Whatever is left comes after something that is left: going up along these ends in a circle.
    let (mut node, _) = open.first_key_value().map(|(node, left)| (*node, *left))?;
    let mut seen = BTreeSet::new();
    loop {
        let parent = *parents.get(&node)?.iter().find(|parent| open.contains_key(parent))?;
        if !seen.insert(node) {
            return Some((node, parent));
        }
        node = parent;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A job with this ref, after these; `key=…` gives it a unique key.
    fn job(name: &str, after: &[&str]) -> NewJob {
        let (key, parents): (Vec<&str>, Vec<&str>) = after.iter().partition(|word| word.starts_with("key="));
        let parents = parents.into_iter().map(|name| Parent::Ref(name.into())).collect();
        let after = After { name: (!name.is_empty()).then(|| name.into()), parents, failed: AfterFailed::Cancel };
        NewJob { after: Some(Box::new(after)), unique: key.first().map(|&key| key.into()), ..NewJob::new("t", "1") }
    }

    #[test]
    fn refs_may_point_forward_and_circles_are_found_also_through_jobs_that_are_one() {
        type Case<'a> = (&'a [NewJob], Option<(usize, &'a str)>);
        let table: [Case<'_>; 10] = [
            (&[job("a", &[]), job("", &["a"]), job("b", &["c", "a"]), job("c", &[])], None),
            (&[job("a", &["a"])], Some((0, "by way of `a`"))),
            (&[job("x", &[]), job("a", &["x", "b"]), job("b", &["a"]), job("", &["b"])], Some((1, "by way of `b`"))),
            (&[job("", &["b"]), job("a", &["b"]), job("b", &["a"])], Some((2, "by way of `a`"))),
            (&[job("a", &[]), job("a", &[])], Some((1, "another job of the same push has the ref `a`"))),
            (&[job("a", &["b"])], Some((0, "no job of the same push has the ref `b`"))),
            (&[job("a", &["key=k", "b"]), job("b", &["c"]), job("c", &["key=k"])], Some((0, "by way of `b`"))),
            (&[job("a", &["key=k"]), job("b", &["key=k", "a"])], Some((0, "by way of `a`"))),
            (&[job("a", &["key=k"]), job("b", &["key=k"]), job("", &["a", "b"])], None),
            (&[NewJob::new("t", "1")], None),
        ];
        for (jobs, expected) in table {
            let found = Links::check(jobs, true).err().map(|bad| (bad.nth, bad.why.to_string()));
            match expected {
                None => assert_eq!(found, None, "{jobs:?}"),
                Some((nth, part)) => {
                    let (at, why) = found.expect("it is bad");
                    assert!(at == nth && why.contains(part), "{jobs:?}: {at} {why}");
                }
            }
        }
        assert_eq!(Links::check(&[job("a", &["b"])], false), Ok(()), "it may come later");
    }

    #[test]
    fn results_that_do_not_fit_or_are_gone_are_named_and_the_others_are_given() {
        let mut results = ParentResults::default();
        assert_eq!(results.members(), r#""parents":{}"#);
        results.add("a\"", Some("[1]"));
        results.add("7", None);
        results.add("big", Some(&"1".repeat(MOST_RESULT_BYTES)));
        results.add("8", Some("null"));
        assert_eq!(results.members(), r#""parents":{"a\"":[1],"8":null},"parents_left_out":["7","big"]"#);
        for n in 0..200_000 {
            results.add(&format!("{n:0100}"), None);
        }
        assert!(results.members().len() < 2 * MOST_RESULT_BYTES);
    }
}
