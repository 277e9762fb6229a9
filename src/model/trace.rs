//! Trace contexts (<https://www.w3.org/TR/trace-context/>), and which spans a run belongs to.
//!
//! A job keeps the context that it was pushed in. Two spans come of it, both made by the master:
//!
//! ```text
//! the span of whoever pushed ── publish QUEUE ── process TYPE    the first attempt, begun within a minute of the push
//!                                     ┊
//!                                     ┊ link
//!                               process TYPE                     any other run, in a trace of its own
//! ```
//!
//! So a job that is tried for days does not keep one trace open. A job that was pushed in no context may begin a trace, if
//! its master samples it.
//!
//! Ids are reckoned, not drawn: from the context, the ids of the job and the run, and the id of the store, each of which
//! is of one thing alone. So the span of a push need not be on record, the same run has the same span wherever it is asked
//! for, and nothing here needs a source of random numbers.
//!
//! Invariant: neither id of a context is all zeros.

use std::fmt;
use std::num::NonZero;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Claimed, UnixMicros, digest};

/// The variables and members by which a context is passed on.
pub const TRACEPARENT: &str = "TRACEPARENT";
pub const TRACESTATE: &str = "TRACESTATE";

/// The longest `tracestate` that is taken, in bytes: what everybody has to pass on.
const MOST_STATE_BYTES: usize = 512;
const MOST_STATE_MEMBERS: usize = 32;
/// A run that begins later after the push is in a trace of its own.
const SOON: Duration = Duration::from_mins(1);

const SAMPLED: u8 = 1;
/// The flags that are known, and passed on: sampled, and that the id of the trace was drawn at random.
const KNOWN_FLAGS: u8 = SAMPLED | 2;

/// Why a context cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TraceError {
    #[error(
        "`{0}` is no traceparent; it is written as `00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01`, in lower case \
         and neither id all zeros"
    )]
    Parent(String),
    #[error(
        "the tracestate is no list of `key=value`, of {MOST_STATE_BYTES} bytes and {MOST_STATE_MEMBERS} members at most"
    )]
    State,
    #[error("a tracestate goes with a traceparent")]
    StateAlone,
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident($number:ty) = $digits:literal;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(NonZero<$number>);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:0width$x}", self.0, width = $digits)
            }
        }

        impl FromStr for $name {
            type Err = TraceError;

            fn from_str(text: &str) -> Result<Self, TraceError> {
                let number = hex(text, $digits).and_then(|text| <$number>::from_str_radix(text, 16).ok());
                number.and_then(NonZero::new).map(Self).ok_or_else(|| TraceError::Parent(shown(text)))
            }
        }

        impl TryFrom<String> for $name {
            type Error = TraceError;

            fn try_from(text: String) -> Result<Self, TraceError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.to_string()
            }
        }
    )+};
}

ids! {
    /// Everything that comes of one thing: 32 hexadecimal digits.
    TraceId(u128) = 32;
    /// The id of a piece of work in a trace: 16 hexadecimal digits.
    SpanId(u64) = 16;
}

/// So many hexadecimal digits in lower case, and nothing else.
fn hex(text: &str, digits: usize) -> Option<&str> {
    let is_hex = text.len() == digits && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    is_hex.then_some(text)
}

/// A span, for those that continue it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    pub trace_id: TraceId,
    pub span_id: SpanId,
    flags: u8,
    /// Members that systems on the way have added for themselves.
    pub state: Option<Box<str>>,
}

impl TraceContext {
    /// From the two headers. Both must be right.
    pub fn new(parent: &str, state: Option<&str>) -> Result<Self, TraceError> {
        let context = Self::from_parent(parent).ok_or_else(|| TraceError::Parent(shown(parent)))?;
        let state = state.map(trimmed).filter(|state| !state.is_empty());
        if state.is_some_and(|state| !is_state(state)) {
            return Err(TraceError::State);
        }
        Ok(Self { state: state.map(Into::into), ..context })
    }

    fn from_parent(text: &str) -> Option<Self> {
        let mut parts = text.splitn(5, '-');
        let version = hex(parts.next()?, 2)?;
        let (trace_id, span_id) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let flags = u8::from_str_radix(hex(parts.next()?, 2)?, 16).ok()?;
        // A version to come may have more behind, and flags of another meaning but for the first.
        let (is_known, known) = match version {
            "00" => (parts.next().is_none(), KNOWN_FLAGS),
            "ff" => (false, 0),
            _ => (true, SAMPLED),
        };
        is_known.then_some(Self { trace_id, span_id, flags: flags & known, state: None })
    }

    /// As one text: the traceparent, and behind a space the tracestate, if there is one.
    #[must_use]
    pub fn to_text(&self) -> String {
        self.state.as_ref().map_or_else(|| self.to_string(), |state| format!("{self} {state}"))
    }

    /// From what [`Self::to_text`] gave; `None` if it is damaged.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        let (parent, state) = text.split_once(' ').map_or((text, None), |(parent, state)| (parent, Some(state)));
        Self::new(parent, state).ok()
    }

    /// Whether somebody wants to see the spans of this trace.
    #[must_use]
    pub const fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }
}

/// The traceparent.
impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-{:02x}", self.trace_id, self.span_id, self.flags)
    }
}

/// Members `key=value`, where a key has `a-z 0-9 _ - * /` and one `@` at most, and a value is printable without comma and
/// equals sign.
fn is_state(text: &str) -> bool {
    let members = || text.split(',').map(trimmed).filter(|member| !member.is_empty());
    text.len() <= MOST_STATE_BYTES && members().count() <= MOST_STATE_MEMBERS && members().all(is_member)
}

/// Without the blanks that a header may have around its members.
fn trimmed(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

fn is_member(member: &str) -> bool {
    let Some((key, value)) = member.split_once('=') else { return false };
    let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let is_key = key.bytes().all(|b| letter(b) || b"_-*/@".contains(&b))
        && key.bytes().next().is_some_and(letter)
        && key.bytes().filter(|b| *b == b'@').count() <= 1
        && key.len() <= 256;
    is_key && !value.is_empty() && value.bytes().all(|b| (b' '..=b'~').contains(&b) && b != b'=')
}

fn shown(text: &str) -> String {
    text.chars().take(80).collect()
}

/// The span of a run on record; both or none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SpanIds {
    pub trace_id: Option<TraceId>,
    pub span_id: Option<SpanId>,
}

/// The spans of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunTrace {
    /// The span of the run, which its worker continues.
    pub run: TraceContext,
    /// The span of the push. In the trace of the run it is the parent of that; else the run has a link to it.
    pub push: TraceContext,
    /// The span of whoever pushed.
    pub pushed_in: Option<SpanId>,
}

impl RunTrace {
    /// Whether the run continues the trace of the push.
    #[must_use]
    pub fn is_child(&self) -> bool {
        self.run.trace_id == self.push.trace_id
    }
}

/// Which spans there are on one store.
#[derive(Clone, Copy, Debug)]
pub struct Spans {
    salt: u64,
    sample: f64,
}

impl Spans {
    /// `sample`: of jobs that were pushed in no context, the share that begins a trace.
    #[must_use]
    pub fn new(store_id: &str, sample: f64) -> Self {
        Self { salt: digest(store_id.bytes()), sample }
    }

    /// The same with another share.
    #[must_use]
    pub const fn sampling(self, sample: f64) -> Self {
        Self { sample, ..self }
    }

    /// The spans of a run that is about to begin; `None`: the job is in no trace.
    #[must_use]
    pub fn of(self, job: &Claimed, now: UnixMicros) -> Option<Box<RunTrace>> {
        let pushed_in = job.pushed_in.as_deref();
        let push = match pushed_in {
            Some(context) => self.child(context, What::Push, job.id.0),
            None if self.samples(job.id.0) => self.root(What::Push, job.id.0, job.pushed_at.0.cast_unsigned(), SAMPLED),
            None => return None,
        };
        let is_first = job.attempt() == 1 && now.since(job.pushed_at) <= SOON;
        let run = if is_first {
            self.child(&push, What::Run, job.run.0)
        } else {
            self.root(What::Run, job.run.0, push.span_id.0.get(), push.flags & SAMPLED)
        };
        Some(Box::new(RunTrace { run, pushed_in: pushed_in.map(|context| context.span_id), push }))
    }

    /// The span of a call of a service that somebody made in this context.
    #[must_use]
    pub fn of_call(self, context: &TraceContext, call: u64) -> TraceContext {
        self.child(context, What::Call, call.cast_signed())
    }

    fn samples(self, job: i64) -> bool {
        // Of 53 bits every number is a float of its own.
        self.sample > 0.0
            && ((self.mix([What::Sample as u64, job as u64]) >> 11) as f64) < self.sample * (1_u64 << 53) as f64
    }

    fn child(self, of: &TraceContext, what: What, id: i64) -> TraceContext {
        let span_id = self.number([what as u64, id as u64, of.span_id.0.get()]);
        TraceContext { span_id: SpanId(span_id), ..of.clone() }
    }

    fn root(self, what: What, id: i64, from: u64, flags: u8) -> TraceContext {
        let number = |part: u64| self.number([what as u64, id as u64, from, part]);
        let trace_id = NonZero::<u128>::from(number(1)) | u128::from(number(2).get()) << 64;
        TraceContext { trace_id: TraceId(trace_id), span_id: SpanId(number(3)), flags, state: None }
    }

    fn number<const N: usize>(self, parts: [u64; N]) -> NonZero<u64> {
        NonZero::new(self.mix(parts)).unwrap_or(NonZero::<u64>::MAX)
    }

    fn mix<const N: usize>(self, parts: [u64; N]) -> u64 {
        parts.into_iter().fold(self.salt, |mixed, part| scramble(mixed ^ part))
    }
}

/// The thing that an id is of, so that no two of them are alike.
#[derive(Clone, Copy)]
enum What {
    Push = 1,
    Run,
    Sample,
    Call,
}

/// A step of splitmix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014): one number for each.
const fn scramble(number: u64) -> u64 {
    let z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests;
