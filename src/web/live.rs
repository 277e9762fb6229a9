//! A page that is open: its parts are drawn again each second, and those that have changed are sent.
//!
//! The address of the page, asked for as `text/event-stream`, is the stream of its changes. Who looks at the same page in the
//! same role shares one drawing. Invariant: a viewer who does not read is dropped, and nothing is drawn for a page that nobody
//! has open.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::Body;
use hyper::StatusCode;
use hyper::body::{Bytes, Frame};
use hyper::header::{HeaderName, HeaderValue};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::{MissedTickBehavior, interval};

use super::answer::{self, Response};
use super::desk::Asked;
use super::guard::Peer;
use super::routes::PageFn;
use super::token::Role;
use super::{View, Web, html};
use crate::clock;

/// How often a page is drawn.
const EVERY: Duration = Duration::from_secs(1);
/// A drawing that is not older is shared.
const FRESH: Duration = Duration::from_millis(900);
/// Seconds without a change after which a word is sent all the same, so that proxies keep the connection.
const SILENT: u32 = 15;
/// Open pages, in all and of one address.
const MOST: usize = 256;
const MOST_OF_ADDRESS: usize = 16;
/// Drawings that wait to be read.
const UNREAD: usize = 4;

/// A part of a page, by its name.
type Part = (&'static str, String);

type Key = (String, Role);

/// A page as it was drawn last, and when.
#[derive(Default)]
struct Drawing {
    at: Option<Instant>,
    parts: Vec<Part>,
    /// Grows by one when a part has changed.
    number: u64,
    /// The parts that have changed since the number before, as they are sent to all who look.
    change: Bytes,
}

/// The pages that are open.
#[derive(Default)]
pub(super) struct Live {
    drawings: Mutex<HashMap<Key, Arc<tokio::sync::Mutex<Drawing>>>>,
    viewers: Mutex<HashMap<Peer, usize>>,
}

/// Counts a viewer as long as it lives.
pub(super) struct Place {
    web: Arc<Web>,
    peer: Peer,
    key: Key,
}

impl Place {
    pub(super) fn take(web: &Arc<Web>, peer: Peer, key: Key) -> Option<Self> {
        let mut viewers = web.live.viewers.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = viewers.values().sum();
        let of_address = viewers.entry(peer).or_default();
        // Behind a proxy all have one address.
        if all >= MOST || *of_address >= MOST_OF_ADDRESS && peer.is_elsewhere() {
            return None;
        }
        *of_address += 1;
        Some(Self { web: Arc::clone(web), peer, key })
    }
}

impl Place {
    pub(super) fn web(&self) -> &Arc<Web> {
        &self.web
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let live = &self.web.live;
        let mut viewers = live.viewers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = viewers.get_mut(&self.peer) {
            *count -= 1;
        }
        viewers.retain(|_, count| *count > 0);
        let mut drawings = live.drawings.lock().unwrap_or_else(PoisonError::into_inner);
        if drawings.get(&self.key).is_some_and(|drawing| Arc::strong_count(drawing) <= 2) {
            drawings.remove(&self.key);
        }
    }
}

/// Changes that are still to be read.
pub(super) struct Changes(pub mpsc::Receiver<Bytes>);

impl hyper::body::Body for Changes {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.0.poll_recv(cx).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}

/// Opens the stream of a page.
pub(super) fn open(web: &Arc<Web>, asked: Asked, page: PageFn, peer: Peer) -> Response {
    let query: Vec<String> = asked.query.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let key = (format!("{}{}?{}", asked.urls.to(&[]), asked.path, query.join("&")), asked.role);
    let Some(place) = Place::take(web, peer, key) else {
        return answer::refused(StatusCode::SERVICE_UNAVAILABLE, "too many pages are open; reload this one to see it");
    };
    let (to, from) = mpsc::channel(UNREAD);
    tokio::spawn(send(place, Arc::new(asked), page, to));
    let mut response = answer::of_text(StatusCode::OK, "text/event-stream", Body::new(Changes(from)));
    response.headers_mut().insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}

async fn send(place: Place, asked: Arc<Asked>, page: PageFn, to: mpsc::Sender<Bytes>) {
    let drawing = {
        let mut drawings = place.web.live.drawings.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(drawings.entry(place.key.clone()).or_default())
    };
    let mut timer = interval(EVERY);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut seen, mut silent) = (0, 0);
    loop {
        timer.tick().await;
        let mut text = {
            let mut drawing = drawing.lock().await;
            drawing.draw(&place.web, &asked, page).await;
            let text = drawing.since(seen);
            seen = drawing.number;
            text
        };
        silent = if text.is_empty() { silent + 1 } else { 0 };
        if silent >= SILENT {
            (text, silent) = (Bytes::from_static(b": still here\n\n"), 0);
        }
        let sent = if text.is_empty() { Ok(()) } else { to.try_send(text) };
        if to.is_closed() || matches!(sent, Err(TrySendError::Full(_))) {
            return;
        }
    }
}

impl Drawing {
    /// Draws the page anew, unless that was done just now.
    async fn draw(&mut self, web: &Arc<Web>, asked: &Arc<Asked>, page: PageFn) {
        if self.at.is_some_and(|at| at.elapsed() < FRESH) {
            return;
        }
        let parts = web.desk.at_desk(Arc::clone(asked), move |desk| {
            let View::Page(page) = page(desk)? else { return Ok(Vec::new()) };
            Ok(html::live_parts(desk, &page))
        });
        // The page itself says so when it is loaded again.
        let trouble = |error| ("trouble", html::trouble(&answer::worded(&web.desk.context, error)).into_string());
        let parts = parts.await.unwrap_or_else(|error| vec![trouble(error)]);
        self.at = Some(clock::instant());
        let changed: Vec<_> = parts.iter().filter(|part| !self.parts.contains(part)).collect();
        if !changed.is_empty() {
            self.number += 1;
            self.change = messages(changed);
            self.parts = parts;
        }
    }

    /// What is to be sent to a page that shows this drawing.
    fn since(&self, seen: u64) -> Bytes {
        match self.number - seen {
            0 => Bytes::new(),
            1 => self.change.clone(),
            _ => messages(&self.parts),
        }
    }
}

fn messages<'p>(parts: impl IntoIterator<Item = &'p Part>) -> Bytes {
    let message = |(id, html): &Part| format!("data: {}\n\n", json!({"id": id, "html": html}));
    parts.into_iter().map(message).collect::<String>().into()
}
