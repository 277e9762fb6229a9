//! The table of all pages and actions, and the way from a request to one of them.
//!
//! The same page is at its path, at its path with `.json` behind it, and below `/api`; the last two are JSON, as is the first
//! for who accepts that. Invariant: an action is in the table with the role that it takes, and is checked for that here.

use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRequestParts as _, RawPathParams, Request};
use axum::routing::{get, post};
use hyper::header::{ACCEPT, CACHE_CONTROL, HOST, HeaderValue};
use hyper::http::Extensions;
use hyper::http::request::Parts;
use hyper::{StatusCode, Uri};

use super::answer::{self, PLAIN, Response};
use super::desk::{Asked, Desk};
use super::guard::{Caller, Peer};
use super::html::Urls;
pub(super) use super::sent::Sent;
use super::stream::{self, StreamFn};
use super::token::Role;
use super::{View, Web, actions, html, live, pages, push};
use crate::error::Error;

pub(super) type PageFn = fn(&Desk<'_>) -> Result<View, Error>;
type ActFn = fn(&Desk<'_>, &Sent) -> Result<Done, Error>;

/// The request wants JSON, as its path says.
#[derive(Clone, Copy, Debug)]
struct AsJson;

/// The outcome of an action.
pub(super) struct Done {
    /// As the command line prints it.
    pub json: String,
    /// The page on which it shows.
    pub page: String,
}

const PAGES: &[(&str, PageFn)] = &[
    ("/", pages::overview::page),
    ("/queues", pages::queues::all),
    ("/queues/{name}", pages::queues::one),
    ("/jobs", pages::jobs::list),
    ("/jobs/{name}", pages::job::page),
    ("/jobs/change/retry", pages::operations::preview),
    ("/jobs/change/cancel", pages::operations::preview),
    ("/jobs/change/delete", pages::operations::preview),
    ("/operations", pages::operations::all),
    ("/batches", pages::batches::list),
    ("/batches/{name}", pages::batches::page),
    ("/audit", pages::audit::list),
    ("/settings", pages::settings::page),
    ("/metrics-view", pages::metrics::page),
    ("/jobs/{name}/why", pages::job::why),
    ("/failures", pages::failures::list),
    ("/failures/{name}", pages::failures::one),
    ("/runs", pages::runs::list),
    ("/hosts", pages::hosts::all),
    ("/workers", pages::workers::all),
    ("/workers/{name}", pages::workers::one),
    ("/pools/{name}", pages::workers::pool),
    ("/processors", pages::processors::all),
    ("/processors/{name}", pages::processors::one),
    ("/admin/control_processors", pages::processors::all),
    ("/services", pages::services::all),
    ("/services/{name}", pages::services::one),
    ("/live", pages::live::page),
    ("/health", pages::overview::health),
    ("/metrics", pages::overview::metrics),
];

/// Lines as they come; as text those up to now.
const STREAMS: &[(&str, StreamFn)] = &[
    ("/jobs/{name}/output", pages::output::of_job),
    ("/workers/{name}/output", pages::output::of_worker),
    ("/live/stream", pages::live::wanted),
];

const ACTIONS: &[(&str, Role, ActFn)] = &[
    ("/jobs", Role::Admin, push::push),
    ("/jobs/{name}/retry", Role::Operator, actions::retry),
    ("/jobs/{name}/cancel", Role::Operator, actions::cancel),
    ("/jobs/{name}/delete", Role::Admin, actions::delete),
    ("/jobs/change/retry", Role::Operator, pages::operations::begin),
    ("/jobs/change/cancel", Role::Operator, pages::operations::begin),
    ("/jobs/change/delete", Role::Admin, pages::operations::begin),
    ("/operations/{name}/stop", Role::Operator, pages::operations::stop),
    ("/failures/{name}/probe", Role::Operator, pages::failures::probe),
    ("/failures/{name}/note", Role::Operator, pages::failures::note),
    ("/failures/{name}/mute", Role::Operator, pages::failures::mute),
    ("/failures/{name}/unmute", Role::Operator, pages::failures::unmute),
    ("/queues/{name}/pause", Role::Operator, actions::pause),
    ("/queues/{name}/resume", Role::Operator, actions::resume),
    ("/queues/{name}/keys/pause", Role::Operator, actions::pause_key),
    ("/queues/{name}/keys/resume", Role::Operator, actions::resume_key),
    ("/pools/{name}/scale", Role::Operator, actions::scale),
    ("/pools/{name}/restart", Role::Operator, actions::restart_pool),
    ("/workers/{name}/restart", Role::Operator, actions::restart_worker),
    ("/debug", Role::Operator, actions::debug),
    ("/processors/{name}/enable", Role::Operator, actions::enable),
    ("/processors/{name}/disable", Role::Operator, actions::disable),
    ("/processors/{name}/reset", Role::Operator, actions::reset),
    ("/processors/{name}/run", Role::Operator, actions::run_processor),
    ("/services/{name}/call", Role::Admin, actions::call),
];

/// Answered without a token: says nothing but that it lives, and whether all is well.
const OPEN: [&str; 2] = ["/healthz", "/readyz"];
/// As long as a name with its hash in it is asked for, it is the same.
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// Whether this is answered without a token.
pub(super) fn is_open(uri: &Uri, base: &str) -> bool {
    let path = uri.path();
    OPEN.contains(&path.strip_prefix(base).unwrap_or(path))
}

/// The request as the table has it: without the base path, where a proxy has left it, and without what asks for JSON.
pub(super) fn within(mut parts: Parts, base: &str) -> Parts {
    let path = parts.uri.path();
    let below = path.strip_prefix(base).filter(|rest| rest.is_empty() || rest.starts_with('/')).unwrap_or(path);
    let (below, of_api) = match below.strip_prefix("/api") {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => (rest, true),
        _ => (below, false),
    };
    let without = below.strip_suffix(".json");
    let is_json = of_api || without.is_some();
    let path = match without.unwrap_or(below).trim_end_matches('/') {
        "" => "/",
        path => path,
    };
    let whole = parts.uri.query().map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
    if let Ok(uri) = whole.parse() {
        parts.uri = uri;
    }
    if is_json {
        parts.extensions.insert(AsJson);
    }
    parts
}

/// The table as a router.
pub(super) fn table(web: &Arc<Web>) -> Router {
    let mut router = Router::new();
    for &(path, page) in PAGES {
        let web = Arc::clone(web);
        router = router.route(path, get(move |request: Request| look(Arc::clone(&web), page, request)));
    }
    for &(path, stream) in STREAMS {
        let web = Arc::clone(web);
        router = router.route(path, get(move |request: Request| listen(Arc::clone(&web), stream, request)));
    }
    for &(path, role, act) in ACTIONS {
        let web = Arc::clone(web);
        router = router.route(path, post(move |request: Request| change(Arc::clone(&web), role, act, request)));
    }
    let ready = Arc::clone(web);
    let nowhere = Arc::clone(web);
    router
        .route("/healthz", get(async || answer::of_text(StatusCode::OK, PLAIN, "ok\n")))
        .route("/readyz", get(move || readiness(Arc::clone(&ready))))
        .route("/login", get(async |request: Request| login(&request)))
        .route(html::CSS.path(), get(async || asset("text/css; charset=utf-8", html::CSS.text)))
        .route(html::JS.path(), get(async || asset("text/javascript; charset=utf-8", html::JS.text)))
        .route(html::ICON.path(), get(async || asset("image/svg+xml", html::ICON.text)))
        .fallback(move |request: Request| look(Arc::clone(&nowhere), missing, request))
        .method_not_allowed_fallback(async || {
            answer::refused(StatusCode::METHOD_NOT_ALLOWED, "this is not done in this way; see docs/web.md")
        })
}

fn missing(_: &Desk<'_>) -> Result<View, Error> {
    Err(Error::NotFound("there is no such page; the first one leads to all of them".to_owned()))
}

/// Shows a page.
async fn look(web: Arc<Web>, page: PageFn, request: Request) -> Response {
    let (asked, wants, peer, _) = read(request).await;
    if let Wants::Changes = wants {
        return live::open(&web, asked, page, peer);
    }
    let waited = match pages::job::wait_of(&asked) {
        Some(Ok((id, most))) => web.desk.wait(move |context| pages::job::wait(context, id, most)).await,
        Some(Err(error)) => Err(error),
        None => Ok(()),
    };
    match waited {
        Ok(()) => shown(&web, asked, page).await,
        Err(error) => without_desk(&web, &asked, error),
    }
}

/// Shows lines that were before, or goes on with those that come.
async fn listen(web: Arc<Web>, stream: StreamFn, request: Request) -> Response {
    let (asked, wants, peer, _) = read(request).await;
    match wants {
        Wants::Changes => stream::open(&web, asked, stream, peer),
        Wants::Page | Wants::Json => shown(&web, asked, move |desk| stream::as_text(desk, stream)).await,
    }
}

async fn shown(
    web: &Arc<Web>,
    asked: Asked,
    page: impl FnOnce(&Desk<'_>) -> Result<View, Error> + Send + 'static,
) -> Response {
    let asked = Arc::new(asked);
    let looked = web.desk.at_desk(Arc::clone(&asked), move |desk| {
        page(desk).map(|view| answer::of_view(desk, view)).or_else(|error| Ok(failed(desk, error)))
    });
    looked.await.unwrap_or_else(|error| without_desk(web, &asked, error))
}

/// Changes something, for who may.
async fn change(web: Arc<Web>, role: Role, act: ActFn, request: Request) -> Response {
    let (mut asked, wants, _, body) = read(request).await;
    asked.wants_json |= !matches!(wants, Wants::Page);
    if asked.role < role {
        let why = match (web.desk.settings.read_only, role) {
            (true, _) => "this page is for looking only (`read_only` in `[web]`)",
            (false, Role::Admin) => "this takes the role `admin`; `queue-work web link` prints its address",
            (false, _) => "this takes the role `operator`; `queue-work web link --role operator` prints its address",
        };
        return refused(&asked, StatusCode::FORBIDDEN, why);
    }
    let sent = match Sent::read(body).await {
        Ok(sent) => sent,
        Err((status, why)) => return refused(&asked, status, why),
    };
    let asked = Arc::new(asked);
    let acted = web.desk.at_desk(Arc::clone(&asked), move |desk| {
        Ok(match act(desk, &sent) {
            Ok(done) if desk.asked.wants_json => answer::of_text(StatusCode::OK, answer::JSON, done.json + "\n"),
            Ok(done) => answer::moved(&done.page),
            Err(error) => failed(desk, error),
        })
    });
    let acted = acted.await;
    web.desk.look_again().await;
    acted.unwrap_or_else(|error| without_desk(&web, &asked, error))
}

fn refused(asked: &Asked, status: StatusCode, why: &str) -> Response {
    if asked.wants_json { answer::error_as_json(status, 5, why) } else { answer::refused(status, why) }
}

fn failed(desk: &Desk<'_>, error: Error) -> Response {
    let (status, code) = (answer::status_of(&error), error.exit_code());
    let text = answer::worded(desk.context, error);
    if desk.asked.wants_json {
        return answer::error_as_json(status, code, &text);
    }
    let mut response = answer::of_view(desk, View::Page(html::Page::of_error(status, &text)));
    *response.status_mut() = status;
    response
}

/// Not even the status could be found out.
fn without_desk(web: &Web, asked: &Asked, error: Error) -> Response {
    let (status, code) = (answer::status_of(&error), error.exit_code());
    let text = answer::worded(&web.desk.context, error);
    if asked.wants_json { answer::error_as_json(status, code, &text) } else { answer::refused(status, &text) }
}

enum Wants {
    Page,
    Json,
    /// The changes of a page that is open.
    Changes,
}

/// Takes a request apart; it keeps its headers and its body.
async fn read(request: Request) -> (Asked, Wants, Peer, Request) {
    let (mut parts, body) = request.into_parts();
    let params = RawPathParams::from_request_parts(&mut parts, &()).await;
    let name = params.ok().and_then(|params| params.iter().next().map(|(_, value)| value.to_owned()));
    let accept = parts.headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let wants = match accept {
        _ if parts.extensions.get::<AsJson>().is_some() => Wants::Json,
        accept if accept.starts_with("text/event-stream") => Wants::Changes,
        accept if accept.starts_with("application/json") => Wants::Json,
        _ => Wants::Page,
    };
    let Caller { role, user } = parts.extensions.get().cloned().unwrap_or(Caller::NOBODY);
    let peer = parts.extensions.get().copied().unwrap_or(Peer::Socket(None));
    let asked = Asked {
        address: peer.address(),
        path: parts.uri.path().to_owned(),
        query: form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()).into_owned().collect(),
        name: name.unwrap_or_default(),
        role,
        user,
        urls: urls_of(&parts.extensions),
        wants_json: matches!(wants, Wants::Json),
    };
    (asked, wants, peer, Request::from_parts(parts, body))
}

/// The links of this request.
fn urls_of(extensions: &Extensions) -> Urls {
    extensions.get().cloned().unwrap_or_else(|| Urls::new("".into()))
}

/// Leads to the first page by an address without the token in it: with one the browser would refuse to ask for changes.
fn login(request: &Request) -> Response {
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let scheme = if header("x-forwarded-proto") == Some("https") { "https" } else { "http" };
    let host = header(HOST.as_str()).unwrap_or("localhost");
    answer::moved(&format!("{scheme}://{host}{}", urls_of(request.extensions()).to(&[])))
}

fn asset(kind: &'static str, text: &'static str) -> Response {
    let mut response = answer::of_text(StatusCode::OK, kind, text);
    response.headers_mut().insert(CACHE_CONTROL, FOR_EVER);
    response
}

async fn readiness(web: Arc<Web>) -> Response {
    let nobody = Asked {
        address: None,
        path: String::new(),
        query: Vec::new(),
        name: String::new(),
        role: Role::Viewer,
        user: None,
        urls: Urls::new("".into()),
        wants_json: false,
    };
    let is_ready = web.desk.at_desk(Arc::new(nobody), |desk| Ok(desk.seen.is_ready())).await;
    match is_ready {
        Ok(true) => answer::of_text(StatusCode::OK, PLAIN, "ready\n"),
        _ => answer::of_text(StatusCode::SERVICE_UNAVAILABLE, PLAIN, "not ready\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(path: &str) -> Parts {
        Request::builder().uri(path).body(axum::body::Body::empty()).unwrap().into_parts().0
    }

    #[test]
    fn a_page_has_one_path_whoever_asks_and_through_whatever_proxy() {
        let table = [
            ("/", "/", false),
            ("", "/", false),
            ("/queues", "/queues", false),
            ("/qw/queues?a=1", "/queues?a=1", false),
            ("/qw", "/", false),
            ("/qwx", "/qwx", false),
            ("/qw/", "/", false),
            ("/queues.json", "/queues", true),
            ("/api/queues?b", "/queues?b", true),
            ("/qw/api/jobs/7", "/jobs/7", true),
            ("/api", "/", true),
            ("/apix", "/apix", false),
            ("/queues/a%2Ejson", "/queues/a%2Ejson", false),
        ];
        for (path, within_base, is_json) in table {
            let path = if path.is_empty() { "/qw" } else { path };
            let found = within(parts(path), "/qw");
            let json = found.extensions.get::<AsJson>().is_some();
            assert_eq!((found.uri.to_string().as_str(), json), (within_base, is_json), "{path}");
        }
    }

    #[test]
    fn only_the_two_that_say_nothing_are_open() {
        for open in ["/healthz", "/readyz", "/qw/healthz"] {
            assert!(is_open(&open.parse().unwrap(), "/qw"), "{open}");
        }
        for closed in ["/", "/health", "/metrics", "/healthz/", "/api/healthz"] {
            assert!(!is_open(&closed.parse().unwrap(), "/qw"), "{closed}");
        }
    }
}
