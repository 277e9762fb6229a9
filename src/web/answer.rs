//! From a view, or an error, to what goes back.
//!
//! Invariants: every answer forbids the browser to run, frame or keep anything that is not from here; an error is as a
//! browser or a program wants it, with the words and the next step that the command line has for it.

use axum::body::Body;
use hyper::StatusCode;
use hyper::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, LINK, LOCATION, REFERRER_POLICY,
    RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use serde_json::json;

use super::View;
use super::desk::Desk;
use super::html;
use crate::cli::waiting;
use crate::client::ClientError;
use crate::error::Error;
use crate::report::words;
use crate::store::StoreError;

pub(super) type Response = hyper::Response<Body>;

const HTML: &str = "text/html; charset=utf-8";
pub(super) const JSON: &str = "application/json";
pub(super) const PLAIN: &str = "text/plain; charset=utf-8";

/// What a page may do in the browser: show what comes from here.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

pub(super) fn of_text(status: StatusCode, kind: &'static str, text: impl Into<Body>) -> Response {
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// A view as it goes back.
pub(super) fn of_view(desk: &Desk<'_>, view: View) -> Response {
    match view {
        View::Page(page) => of_text(StatusCode::OK, HTML, html::layout(desk, &page)),
        View::Json(text) => of_text(StatusCode::OK, JSON, text + "\n"),
        View::List(text, next) => {
            let mut response = of_text(StatusCode::OK, JSON, text + "\n");
            let link = next.and_then(|next| HeaderValue::from_str(&format!("<{next}>; rel=\"next\"")).ok());
            response.headers_mut().extend(link.map(|link| (LINK, link)));
            response
        }
        View::Text { kind, text } => of_text(StatusCode::OK, kind, text),
        View::Moved(to) => moved(&to),
    }
}

/// Leads elsewhere; a browser asks for that with GET.
pub(super) fn moved(to: &str) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    if let Ok(to) = HeaderValue::from_str(to) {
        response.headers_mut().insert(LOCATION, to);
    }
    response
}

/// An answer to who is not let in.
pub(super) fn refused(status: StatusCode, why: &str) -> Response {
    let mut response = of_text(status, PLAIN, format!("queue-work: {why}\n"));
    let headers = response.headers_mut();
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"queue-work\", charset=\"UTF-8\""));
    }
    if status == StatusCode::TOO_MANY_REQUESTS {
        headers.insert(RETRY_AFTER, HeaderValue::from_static("60"));
    }
    response
}

/// The headers of all answers.
pub(super) fn with_headers(mut response: Response) -> Response {
    let all = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in all {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response.headers_mut().entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// The status that goes with an error.
pub(super) fn status_of(error: &Error) -> StatusCode {
    match error {
        Error::Store(StoreError::TooLong | StoreError::Busy { .. })
        | Error::Client(ClientError::Silent { .. } | ClientError::Closed) => StatusCode::SERVICE_UNAVAILABLE,
        error => match error.exit_code() {
            2 => StatusCode::BAD_REQUEST,
            3 => StatusCode::SERVICE_UNAVAILABLE,
            4 => StatusCode::NOT_FOUND,
            5 => StatusCode::CONFLICT,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        },
    }
}

/// An error in the words of the command line.
pub(super) fn worded(context: &crate::cli::context::Context, error: Error) -> String {
    let error = match error {
        Error::NoMaster { .. } => Error::NoMaster {
            database: context.paths().map(|paths| paths.database.to_string()).unwrap_or_default(),
            start: waiting::start(context, None),
        },
        error => error,
    };
    let text = crate::error::worded(&error);
    let lines: Vec<&str> = text.lines().map(|line| line.strip_prefix("queue-work: ").unwrap_or(line)).collect();
    lines.join("\n")
}

/// An error as JSON.
pub(super) fn error_as_json(status: StatusCode, code: u8, message: &str) -> Response {
    let document = json!({"error": {"code": code, "message": message}});
    of_text(status, JSON, words::escape_json(document.to_string()) + "\n")
}
