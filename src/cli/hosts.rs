//! Verbs at other hosts of a store: the request goes to their masters through the store, and so does the answer.
//!
//! Invariant: who waits is told within a bounded time that a host does not answer, and then the host does not do it later.

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;

use super::args::hosts::{Hosts, OneHost};
use super::context::Context;
use super::interrupted::Awaited;
use super::{backend, left, output};
use crate::client::{Client, ClientError, NONE};
use crate::clock;
use crate::error::{Code, Error};
use crate::model::done::LeftWorker;
use crate::model::host::{HostRecord, HostState};
use crate::model::order::Fate;
use crate::model::{Generation, OrderId};
use crate::process::identity;
use crate::report::{Status, words};
use crate::store::{OrderDesk, Records, StoreError};
use crate::wire::rpc::{self, RpcError};

/// Between two looks at an answer.
const LOOK: Duration = Duration::from_millis(100);
/// Looks between two at the host itself.
const LOOKS_PER_HOST: u32 = 10;
/// How long a store may not answer while something is waited for.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a master may take from its last answer to its end.
const ENDS_WITHIN: Duration = Duration::from_mins(1);

/// The hosts that a verb is about.
pub(crate) struct Meant<'c> {
    context: &'c Context,
    desk: OrderDesk,
    records: Box<dyn Records>,
    hosts: Vec<HostRecord>,
    /// The life of the master that runs here.
    ours: Option<Generation>,
    is_one: bool,
}

/// The answer of a verb that can be done at other hosts.
pub(crate) trait Answer: Serialize + DeserializeOwned {
    /// Workers that do not end.
    fn left(&self) -> &[LeftWorker];
}

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow, default)]
    result: Option<&'a RawValue>,
    #[serde(default)]
    error: Option<RpcError>,
}

/// `None`: the verb is about the master that runs here.
pub(crate) fn meant<'c>(context: &'c Context, hosts: &Hosts) -> Result<Option<Meant<'c>>, Error> {
    if !hosts.all_hosts {
        return one(context, &hosts.one);
    }
    let meant = Meant::new(context, "--all-hosts", None)?;
    if meant.hosts.is_empty() {
        return Err(Error::NotFound("no master runs on this store; start one with `queue-work`".to_owned()));
    }
    Ok(Some(meant))
}

/// The same of a verb that is about one host.
pub(crate) fn one<'c>(context: &'c Context, host: &OneHost) -> Result<Option<Meant<'c>>, Error> {
    host.host.as_deref().map(|name| Meant::new(context, "--host", Some(name))).transpose()
}

impl<'c> Meant<'c> {
    fn new(context: &'c Context, option: &str, name: Option<&str>) -> Result<Self, Error> {
        let paths = context.paths()?;
        let Some(desk) = backend::order_desk(paths)? else {
            return Err(Error::Usage(format!(
                "`{option}` is for a store that several hosts share; `{}` is a file, whose master runs here: leave it out",
                paths.database
            )));
        };
        let records = context.records()?;
        let mut records = records.ok_or_else(|| Error::Failed("the store is gone".to_owned()))?;
        let mut hosts = records.hosts()?;
        if let Some(name) = name {
            hosts = vec![named(&hosts, name)?.clone()];
        }
        let status = context.try_connect()?.map(|mut client| client.call::<Status>("status", &NONE)).transpose()?;
        let ours = status.and_then(|status| status.master).map(|master| Generation(master.generation.0));
        Ok(Self { context, desk, records, hosts, ours, is_one: name.is_some() })
    }

    /// Asks each in turn, and says what came of it, in these words.
    pub(crate) fn each<T: Answer>(
        mut self,
        method: &str,
        params: &impl Serialize,
        worded: impl Fn(&T) -> Vec<String>,
    ) -> Result<Code, Error> {
        Awaited::Hosts.tell_when_interrupted(self.context.paths()?);
        let (mut code, mut all, is_json) = (Code::DONE, Vec::new(), self.context.global.json);
        for host in std::mem::take(&mut self.hosts) {
            let answer: Result<T, Error> = self.ask(&host, method, params);
            if self.is_one {
                let answer = answer?;
                if is_json {
                    output::json(&answer)?;
                } else {
                    worded(&answer).iter().try_for_each(|line| self.context.done(line))?;
                }
                return Ok(left::say(answer.left()));
            }
            let (name, generation) = (&host.name, host.generation);
            match answer {
                Ok(answer) => {
                    let lines = if is_json { Vec::new() } else { worded(&answer) };
                    lines.iter().try_for_each(|line| self.context.done(&format!("`{name}`: {line}")))?;
                    let left = left::say(answer.left());
                    code = if left == Code::DONE { code } else { left };
                    all.push(json!({"host": name, "generation": generation, "answer": answer}));
                }
                Err(error) => {
                    output::say(&format!("`{name}`: {error}"));
                    code = Code(error.exit_code());
                    all.push(json!({"host": name, "generation": generation, "error": error.to_string()}));
                    // A new version that does not come up is not to be brought to the next host.
                    if method == "restart" && !matches!(error, Error::Refused(_)) {
                        output::say("the hosts after it are left as they are");
                        break;
                    }
                }
            }
        }
        if is_json {
            output::json(&json!({ "hosts": all }))?;
        }
        Ok(code)
    }

    /// Has the master of the only host stopped, and waits for its end.
    pub(crate) fn stop<T: Answer + Default>(
        mut self,
        params: &impl Serialize,
        waits: bool,
        worded: impl Fn(&T) -> String,
    ) -> Result<Code, Error> {
        Awaited::Hosts.tell_when_interrupted(self.context.paths()?);
        let Some(host) = self.hosts.pop() else { return Ok(Code::DONE) };
        let stopped: T = self.ask(&host, "stop", params)?;
        let mut waited = Duration::ZERO;
        while waits && !self.desk.has_left(host.generation)? {
            if waited > ENDS_WITHIN {
                return Err(Error::Failed(format!(
                    "the master of `{}` has let its workers go but does not end",
                    host.name
                )));
            }
            clock::pause(LOOK);
            waited += LOOK;
        }
        if self.context.global.json {
            output::json(&stopped)?;
        } else {
            self.context.done(&worded(&stopped))?;
        }
        Ok(left::say(stopped.left()))
    }

    fn ask<T: DeserializeOwned>(
        &mut self,
        host: &HostRecord,
        method: &str,
        params: &impl Serialize,
    ) -> Result<T, Error> {
        if self.ours == Some(host.generation) {
            let mut client: Client = self.context.connect()?;
            let answer = client.call(method, params)?;
            output::note(&mut client);
            return Ok(answer);
        }
        if host.state != HostState::Running {
            return Err(silent(host));
        }
        let garbled = |e: serde_json::Error| Error::Client(ClientError::Garbled(e.to_string()));
        let request = rpc::request(1, None, None, method, params).map_err(garbled)?;
        let who = format!("{}@{}", backend::user(), identity::host());
        let order = self.desk.give(host.generation, &who, String::from_utf8_lossy(&request).trim_end())?;
        let order = order.ok_or_else(|| over(&host.name, false))?;
        let line = self.wait(host, order)?;
        let Line { result, error } = serde_json::from_str(&line).map_err(garbled)?;
        match error {
            Some(error) => Err(ClientError::Refused(error).into()),
            None => serde_json::from_str(result.map_or("null", RawValue::get)).map_err(garbled),
        }
    }

    /// The answer to an order, as long as the host lives.
    fn wait(&mut self, host: &HostRecord, order: OrderId) -> Result<Box<str>, Error> {
        let mut failing = Duration::ZERO;
        for look in 1_u32.. {
            match self.desk.fate(order) {
                Ok(Some(Fate::Answered(line))) => return Ok(line),
                Ok(Some(Fate::Late)) => return Err(silent(&self.again(host))),
                Ok(Some(Fate::Over { is_begun })) => return Err(over(&host.name, is_begun)),
                Ok(None) => failing = Duration::ZERO,
                Err(StoreError::Io(_)) if failing < PATIENCE => failing += LOOK,
                Err(error) => return Err(error.into()),
            }
            if look % LOOKS_PER_HOST == 0 {
                let now = self.again(host);
                if now.state != HostState::Running {
                    return Err(silent(&now));
                }
            }
            clock::pause(LOOK);
        }
        Err(over(&host.name, true))
    }

    /// The host as it is now; as it was, where that is not known.
    fn again(&mut self, host: &HostRecord) -> HostRecord {
        let hosts = self.records.hosts().unwrap_or_default();
        hosts.into_iter().find(|now| now.generation == host.generation).unwrap_or_else(|| host.clone())
    }
}

/// Waits for what another host is asked by the store itself, as no master runs here.
pub(crate) fn fate_of(context: &Context, order: OrderId) -> Result<Fate, Error> {
    let Some(mut desk) = backend::order_desk(context.paths()?)? else { return Ok(Fate::Over { is_begun: false }) };
    loop {
        if let Some(fate) = desk.fate(order)? {
            return Ok(fate);
        }
        clock::pause(LOOK);
    }
}

/// The one with this name, or this generation.
fn named<'h>(hosts: &'h [HostRecord], name: &str) -> Result<&'h HostRecord, Error> {
    let found: Vec<&HostRecord> = hosts.iter().filter(|host| host.name == name).collect();
    match &found[..] {
        [one] => Ok(one),
        [] => hosts.iter().find(|host| host.generation.to_string() == name).ok_or_else(|| {
            let names: Vec<String> = hosts.iter().map(|host| format!("`{}`", host.name)).collect();
            let known = if names.is_empty() { "no master runs on this store".to_owned() } else { names.join(", ") };
            Error::NotFound(format!("there is no host `{name}`; there is {known}"))
        }),
        several => {
            let lives: Vec<String> = several.iter().map(|host| host.generation.to_string()).collect();
            let text = format!("several masters run on `{name}`; say which by its generation with `--host`");
            Err(Error::NotFound(format!("{text}: {}", lives.join(", "))))
        }
    }
}

fn silent(host: &HostRecord) -> Error {
    Error::Failed(format!(
        "the master of `{}` does not answer, its last sign of life was {} ago; it was not done, and is not done later",
        host.name,
        words::seconds(host.beat_age_s)
    ))
}

fn over(host: &str, is_begun: bool) -> Error {
    let known = if is_begun { "; it had begun with it" } else { " before it began with it" };
    Error::Failed(format!("the master of `{host}` has ended{known}; see `queue-work status`"))
}
