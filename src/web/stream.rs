//! Lines that come: what workers print and what happens, sent to a page as rows, as soon as they are there.
//!
//! Invariants: a row is escaped text; rows that were before and those that come follow one another without a gap and without one
//! twice, and what is missing is counted; a page that does not read gets fewer rows, and holds up nobody.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use hyper::StatusCode;
use hyper::body::Bytes;
use hyper::header::{HeaderName, HeaderValue};
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::answer::{self, Response};
use super::desk::{Asked, Desk};
use super::guard::Peer;
use super::live::{Changes, Place};
use super::pages::output::{self, Row};
use super::tap::{Heard, Listener, Taps, Wish};
use super::{View, Web};
use crate::cli::logs;
use crate::client::NONE;
use crate::error::Error;
use crate::wire::control::{FollowEvents, FollowedEvents};

/// Rows of one message, and messages that wait to be read.
const ROWS: usize = 500;
const UNREAD: usize = 8;
/// Rows that come within this time come together.
const TOGETHER: Duration = Duration::from_millis(50);
/// Proxies keep a connection on which something comes, and one that is closed is noticed by what is sent.
const SILENCE: Duration = Duration::from_secs(5);
/// How often it is seen whether anybody listens, where nothing comes.
const LOOK: Duration = Duration::from_secs(2);
/// The longest that the master may take to begin.
const BEGINS_WITHIN: Duration = Duration::from_secs(3);

/// Rows that a page wants to see.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    /// Output, with what finds that of before.
    pub output: Option<output::Past>,
    pub events: Option<FollowEvents>,
    pub rows: output::Filter,
}

pub(super) type StreamFn = fn(&Desk<'_>) -> Result<Wanted, Error>;

/// Earlier rows as text, for clients without JavaScript.
pub(super) fn as_text(desk: &Desk<'_>, of: StreamFn) -> Result<View, Error> {
    let wanted = of(desk)?;
    let rows = past(desk, &wanted)?;
    if desk.asked.wants_json {
        return View::json(&rows.iter().map(Row::json).collect::<Vec<_>>());
    }
    let text = rows.iter().map(Row::text).collect();
    Ok(View::Text { kind: answer::PLAIN, text })
}

/// The rows up to now.
pub(super) fn past(desk: &Desk<'_>, wanted: &Wanted) -> Result<Vec<Row>, Error> {
    before(desk, wanted).map(|(rows, _)| rows)
}

/// Opens a stream.
pub(super) fn open(web: &Arc<Web>, asked: Asked, of: StreamFn, peer: Peer) -> Response {
    let Some(place) = Place::take(web, peer, (asked.path.clone(), asked.role)) else {
        return answer::refused(StatusCode::SERVICE_UNAVAILABLE, "too many pages are open; reload this one to see it");
    };
    let (to, from) = mpsc::channel(UNREAD);
    tokio::spawn(async move {
        // Without a master the stream ends; the page tries again.
        if let Err(error) = send(&place, Arc::new(asked), of, &to).await {
            log::debug!("a stream of the page ended: {error}");
        }
    });
    let mut response = answer::of_text(StatusCode::OK, "text/event-stream", Body::new(Changes(from)));
    response.headers_mut().insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}

async fn send(place: &Place, asked: Arc<Asked>, of: StreamFn, to: &mpsc::Sender<Bytes>) -> Result<(), Error> {
    let web = place.web();
    let urls = &asked.urls.clone();
    let wanted = web.desk.at_desk(Arc::clone(&asked), of).await?;
    let wishes = wanted.output.iter().map(|past| Wish::Output(past.follow.clone()));
    let wishes: Vec<Wish> = wishes.chain(wanted.events.clone().map(Wish::Events)).collect();
    let (heard, mut coming) = mpsc::channel(ROWS);
    for wish in wishes {
        let Some(mut listener) = Taps::listen(web, wish) else {
            return Err(Error::Failed("too many different streams are looked at".to_owned()));
        };
        let has_begun =
            matches!(timeout(BEGINS_WITHIN, listener.is_ready.wait_for(|is_ready| *is_ready)).await, Ok(Ok(_)));
        if !has_begun {
            return Ok(());
        }
        tokio::spawn(pass_on(listener, heard.clone()));
    }
    drop(heard);
    let past = wanted.clone();
    let (rows, mut seen) = web.desk.at_desk(asked, move |desk| before(desk, &past)).await?;
    let first = json!({"first": true, "rows": output::drawn(urls, &rows), "lost": 0});
    let _ = to.send(message(&first)).await;
    let mut lost: u64 = 0;
    while !to.is_closed() {
        let Ok(heard) = timeout(SILENCE, coming.recv()).await else {
            let _ = to.try_send(": still here\n\n".into());
            continue;
        };
        let Some(heard) = heard else { return Ok(()) };
        sleep(TOGETHER).await;
        let more = std::iter::from_fn(|| coming.try_recv().ok()).take(ROWS);
        let mut rows = Vec::new();
        for heard in std::iter::once(heard).chain(more) {
            match heard {
                Heard::Lost(many) => lost += many,
                heard => rows.extend(seen.row(heard).filter(|row| wanted.rows.has(row))),
            }
        }
        if rows.is_empty() && lost == 0 {
            continue;
        }
        let sent = to.try_send(message(&json!({"rows": output::drawn(urls, &rows), "lost": lost})));
        lost = if sent.is_ok() { 0 } else { lost + rows.len() as u64 };
    }
    Ok(())
}

fn message(json: &Value) -> Bytes {
    format!("data: {json}\n\n").into()
}

async fn pass_on(mut from: Listener, to: mpsc::Sender<Heard>) {
    loop {
        let heard = match timeout(LOOK, from.heard.recv()).await {
            Ok(Ok(heard)) => heard,
            Ok(Err(RecvError::Lagged(many))) => Heard::Lost(many),
            Ok(Err(RecvError::Closed)) => return,
            Err(_) if to.is_closed() => return,
            Err(_) => continue,
        };
        if to.send(heard).await.is_err() {
            return;
        }
    }
}

/// Lines and events that were shown already and may come again.
struct Seen {
    lines: logs::Seen,
    next_event: u64,
    /// Patterns of members that whoever looks does not see.
    hidden: Vec<String>,
}

impl Seen {
    fn row(&mut self, heard: Heard) -> Option<Row> {
        match heard {
            Heard::Line(line) => (!self.lines.has(&line)).then_some(Row::Line(line)),
            Heard::Event(json) => {
                let event = Row::of_event(&json, &self.hidden);
                event.filter(|(seq, _)| seq.is_none_or(|seq| seq >= self.next_event)).map(|(_, row)| row)
            }
            Heard::Lost(_) => None,
        }
    }
}

/// The rows that were before, by time.
fn before(desk: &Desk<'_>, wanted: &Wanted) -> Result<(Vec<Row>, Seen), Error> {
    let mut lines = Vec::new();
    if let Some(past) = &wanted.output {
        let mut client = desk.client().ok();
        if let Some(client) = &mut client {
            client.call::<IgnoredAny>("logs.written", &NONE)?;
        }
        lines = match logs::last(desk.context, &past.args(), client.as_mut()) {
            // A worker or a job that has written nothing yet is not known.
            Err(error) if error.exit_code() == 4 => Vec::new(),
            lines => lines?,
        };
    }
    let mut seen = Seen { lines: logs::Seen::new(&lines), next_event: 0, hidden: desk.hidden().to_vec() };
    let mut rows: Vec<Row> = lines.into_iter().map(|line| Row::Line(Arc::new(line))).collect();
    if wanted.events.is_some() && desk.seen.has_master() {
        let all = FollowEvents { since: Some(0), ..FollowEvents::default() };
        let FollowedEvents { events, next, .. } = desk.call("events.follow", &all)?;
        seen.next_event = next;
        rows.extend(events.iter().filter_map(|event| Row::of_event(event.get(), &seen.hidden)).map(|(_, row)| row));
        rows.sort_by_key(Row::at);
    }
    rows.retain(|row| wanted.rows.has(row));
    rows.drain(..rows.len().saturating_sub(output::KEPT));
    Ok((rows, seen))
}
