//! Output of workers and events of the master, as they come: heard once for all who look at the same.
//!
//! Invariants: a master is asked for it only while somebody looks; who is too slow misses some, and is told how much.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use serde::de::IgnoredAny;
use tokio::sync::{broadcast, watch};

use super::Web;
use crate::error::Error;
use crate::wire::control::{DROPPED, Follow, FollowEvents, HAPPENED, LOG, LogLine};

/// Different streams at once: each is a connection to the master, and a thread.
const MOST: usize = 32;
/// Lines that wait for who looks.
const UNREAD: usize = 4096;
/// After such a silence it is seen whether anybody still looks.
const SILENCE: Duration = Duration::from_secs(2);

/// A line or an event of the master.
#[derive(Clone, Debug)]
pub(super) enum Heard {
    Line(Arc<LogLine>),
    /// An event, as JSON.
    Event(Arc<str>),
    /// Lines or events that are missing here, by number.
    Lost(u64),
}

/// The lines or events to listen to.
#[derive(Clone, Debug)]
pub(super) enum Wish {
    Output(Follow),
    Events(FollowEvents),
}

/// A listener.
pub(super) struct Listener {
    pub heard: broadcast::Receiver<Heard>,
    /// True once the master tells everything from then on; closed if there is none.
    pub is_ready: watch::Receiver<bool>,
}

struct Tap {
    heard: broadcast::Sender<Heard>,
    is_ready: watch::Receiver<bool>,
}

/// Streams that somebody looks at.
#[derive(Default)]
pub(super) struct Taps(Mutex<HashMap<String, Tap>>);

impl Taps {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Tap>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Listens to a stream; `None` where there are too many.
    pub(super) fn listen(web: &Arc<Web>, wish: Wish) -> Option<Listener> {
        let key = match &wish {
            Wish::Events(follow) => serde_json::to_string(follow),
            Wish::Output(follow) => serde_json::to_string(follow),
        };
        let key = key.unwrap_or_default();
        let mut open = web.taps.lock();
        if let Some(tap) = open.get(&key) {
            return Some(Listener { heard: tap.heard.subscribe(), is_ready: tap.is_ready.clone() });
        }
        if open.len() >= MOST {
            return None;
        }
        let (to, heard) = broadcast::channel(UNREAD);
        let (ready, is_ready) = watch::channel(false);
        let (of_thread, web, name) = (to.clone(), Arc::clone(web), key.clone());
        let work = move || {
            if let Err(error) = hear(&web, &wish, &name, &of_thread, &ready) {
                log::debug!("a stream of the master ended: {error}");
            }
            web.taps.lock().retain(|_, tap| !tap.heard.same_channel(&of_thread));
        };
        thread::Builder::new().name("tap".to_owned()).spawn(work).ok()?;
        open.insert(key, Tap { heard: to, is_ready: is_ready.clone() });
        Some(Listener { heard, is_ready })
    }

    /// Whether nobody listens any more; then nobody finds it either.
    fn closes(&self, key: &str, heard: &broadcast::Sender<Heard>) -> bool {
        let mut open = self.lock();
        let is_over = heard.receiver_count() == 0;
        if is_over {
            open.remove(key);
        }
        is_over
    }
}

fn hear(
    web: &Web,
    wish: &Wish,
    key: &str,
    to: &broadcast::Sender<Heard>,
    is_ready: &watch::Sender<bool>,
) -> Result<(), Error> {
    let Some(mut client) = web.desk.context.with_patience(SILENCE).try_connect()? else { return Ok(()) };
    match wish {
        Wish::Output(follow) => client.call::<IgnoredAny>("logs.follow", follow)?,
        Wish::Events(follow) => client.call::<IgnoredAny>("events.follow", follow)?,
    };
    is_ready.send_replace(true);
    loop {
        let Some(told) = client.hear()? else {
            if web.taps.closes(key, to) {
                return Ok(());
            }
            continue;
        };
        let text = told.params.get();
        let heard = match &*told.method {
            LOG => serde_json::from_str(text).ok().map(|line| Heard::Line(Arc::new(line))),
            HAPPENED => Some(Heard::Event(text.into())),
            DROPPED => Some(Heard::Lost(lost(text))),
            _ => None,
        };
        if heard.is_some_and(|heard| to.send(heard).is_err()) && web.taps.closes(key, to) {
            return Ok(());
        }
    }
}

/// How many, as `dropped` says.
fn lost(params: &str) -> u64 {
    let params: serde_json::Value = serde_json::from_str(params).unwrap_or_default();
    params.get("lines").or_else(|| params.get("count")).and_then(serde_json::Value::as_u64).unwrap_or(1)
}
