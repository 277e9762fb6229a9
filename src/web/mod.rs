//! The page in the browser: the process `queue-work web`.
//!
//! ```text
//! connection ─► guard ─────────────► routes ──► a reading thread: page ──► answer
//! (limits)      host, other sites,   which      reads the store, asks      HTML, JSON, or
//!               token, role          page       the master; draws          fragments again and again
//! ```
//!
//! One thread, on an asynchronous runtime, for connections; what reads or asks runs on a few others. A page is a function
//! from what was asked ([`desk::Asked`]) and what is known ([`desk::Desk`]) to a [`View`]; its address is all of its state. The same
//! function answers to a browser, to a program that wants JSON, which is the document that the command line prints, and to
//! a page that is open, which is sent each part anew that has changed.
//!
//! | file | what it does |
//! | --- | --- |
//! | `connections` | listens, accepts, times out |
//! | `guard`, `token` | who may ask, and for what |
//! | `routes` | the table of pages and actions |
//! | `desk` | reads and asks, on threads; the status that all share |
//! | `answer`, `gzip`, `live` | what goes back: at once, compressed, or as it changes |
//! | `tap`, `stream` | what the master tells as it happens, and the way of it to a page |
//! | `html`, `pages` | what a page looks like; each page |
//! | `memory` | the memory of workers in the last minutes |
//! | `actions`, `push` | what changes something |
//!
//! Invariants: nobody is answered without a token; GET changes nothing; the master is asked for its status once a second
//! at most, however many look, and not at all when nobody does; no read of the store is longer than a moment; nothing that a
//! job, a worker or an error says is ever part of a page but as text. It can be killed at any moment.

mod actions;
mod answer;
mod connections;
mod desk;
mod guard;
mod gzip;
mod html;
mod live;
mod memory;
mod pages;
mod push;
mod routes;
mod sent;
mod stream;
mod tap;
mod token;

use std::sync::Arc;

use serde::Serialize;
use tokio::runtime::Builder;

use self::connections::Door;
use self::desk::Shared;
use self::guard::Guard;
use self::html::Page;
use self::live::Live;
use self::tap::Taps;
use self::token::Tokens;
use crate::cli::context::Context;
use crate::cli::output;
use crate::config::{self, Paths};
use crate::error::Error;
use crate::model::listen::Place;

pub(crate) use token::Role;

/// Where it listens if nobody says.
const USUAL: &str = "127.0.0.1:8787";
/// Threads that read and ask, those that wait for a job included.
const THREADS: usize = 4 + desk::MOST_WAITING;

/// Everything that the connections share.
struct Web {
    guard: Guard,
    desk: Shared,
    live: Live,
    taps: Taps,
}

/// The answer of a page.
enum View {
    Page(Page),
    /// A document, as text.
    Json(String),
    /// A list, as text, and the page of what follows.
    List(String, Option<String>),
    /// Text of another kind.
    Text {
        kind: &'static str,
        text: String,
    },
    /// The page is elsewhere.
    Moved(String),
}

impl View {
    /// A document, as the command line prints it.
    fn json(document: &impl Serialize) -> Result<Self, Error> {
        Ok(Self::Json(output::to_json(document)?))
    }
}

/// Serves until it is killed.
pub(crate) fn run(context: &Context, settings: config::Web) -> Result<(), Error> {
    let paths = context.paths()?;
    if paths.makes_folder {
        crate::cli::backend::make_folder_of(&paths.database)?;
    }
    let tokens = Tokens::of(paths, true)?;
    let place = settings.listen.clone().map_or_else(|| config::listen_of_web(USUAL), Ok).map_err(Error::Usage)?;
    let door = Door::open(&place).map_err(|e| Error::Failed(format!("cannot listen at `{}`: {e}", shown(&place))))?;
    let at = door.place();
    announce(&at, &settings, &tokens);
    let web = Arc::new(Web {
        guard: Guard::new(tokens, &at, &settings),
        desk: Shared::new(context, settings),
        live: Live::default(),
        taps: Taps::default(),
    });
    let runtime = Builder::new_current_thread().enable_io().enable_time().max_blocking_threads(THREADS).build();
    let runtime = runtime.map_err(|e| Error::io("start the threads of the page", e))?;
    runtime.block_on(connections::serve(web, door)).map_err(|e| Error::io("accept connections", e))
}

/// Says where it listens; the secret only to a person.
fn announce(at: &Place, settings: &config::Web, tokens: &Tokens) {
    use std::io::IsTerminal as _;
    let text = match at {
        Place::Tcp(_) if std::io::stderr().is_terminal() => {
            format!("the page is at {}; Ctrl-C ends it", address(at, settings, Some(tokens.of_role(Role::Admin))))
        }
        Place::Tcp(_) => format!("listens at {}", address(at, settings, None)),
        Place::Unix(_) => format!("listens at {}", shown(at)),
    };
    output::say(&text);
}

/// The address to open, with the token of this role.
pub(crate) fn link(paths: &Paths, settings: &config::Web, role: Role) -> Result<String, Error> {
    let tokens = Tokens::of(paths, false)?;
    let place = settings.listen.clone().map_or_else(|| config::listen_of_web(USUAL), Ok).map_err(Error::Usage)?;
    if let (Place::Unix(_), []) = (&place, &*settings.hosts) {
        let token = tokens.of_role(role);
        return Err(Error::Failed(format!(
            "`{}` has no address for a browser; say the host of the proxy in `hosts` of `[web]`, and log in there with the \
             password `{token}`",
            shown(&place)
        )));
    }
    Ok(address(&place, settings, Some(tokens.of_role(role))))
}

fn address(at: &Place, settings: &config::Web, token: Option<&str>) -> String {
    let host = match (settings.hosts.first(), at) {
        (Some(host), Place::Unix(_)) => format!("https://{}{host}", login(token)),
        (_, Place::Unix(path)) => path.display().to_string(),
        (Some(host), Place::Tcp(at)) if at.ip().is_unspecified() => {
            format!("http://{}{host}:{}", login(token), at.port())
        }
        (_, Place::Tcp(at)) => format!("http://{}{at}", login(token)),
    };
    let page = if token.is_some() { "/login" } else { "/" };
    format!("{host}{}{page}", settings.base_path)
}

fn login(token: Option<&str>) -> String {
    token.map(|token| format!("qw:{token}@")).unwrap_or_default()
}

fn shown(place: &Place) -> String {
    match place {
        Place::Tcp(at) => at.to_string(),
        Place::Unix(path) => format!("unix:{}", path.display()),
    }
}
