//! HTTP/1.1 on a listener.
//!
//! | request | answer |
//! | --- | --- |
//! | `POST /call/METHOD`, the body is the arguments (`application/json`) | the result |
//! | `POST /`, the body is a request of another listener: a JSON-RPC call, or an array of them | its answer; 204 where none is wanted |
//! | `GET /` | the service and its public methods |
//! | `GET /health` | `{"status", "workers"}`; 503 if it is unhealthy, or no worker is ready |
//!
//! Errors are `{"error": {"code", "message", "data"?}}`. Connections are kept alive. Invariant: a body is JSON and says that it
//! is: a page of another site, which a browser lets send plain text only, cannot make calls. Who may ask at all is in `guard`.

use std::borrow::Cow;
use std::cell::Cell;
use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use hyper::body::{Body as _, Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use percent_encoding::percent_decode_str;
use serde_json::json;
use serde_json::value::RawValue;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::super::shell::{Asking, Numbers, Shell};
use super::framing::Found;
use super::http_stream::{HttpStream, HttpTimer, Whole};
use super::stream::Stream;
use super::{Listener, Member, guard, outside};
use crate::model::PoolName;
use crate::model::payload::MAX_LINE_BYTES;
use crate::model::service::{Body, CallError, HealthStatus, code};

/// How long a request may take to come.
const PATIENCE: Duration = Duration::from_secs(30);
const JSON: &str = "application/json";

type Answer = Response<Whole>;

/// Serves a connection until it is over.
pub(super) async fn serve(
    shell: &Rc<Shell>,
    listener: &Rc<Listener>,
    member: &Rc<Member>,
    stream: Stream,
    peer: Arc<str>,
) {
    let is_tcp = matches!(stream, Stream::Tcp(_));
    let io = HttpStream { stream, member: Rc::clone(member) };
    let service = service_fn(|request| {
        let (shell, pool, peer) = (Rc::clone(shell), listener.pool.clone(), Arc::clone(&peer));
        async move {
            let token = shell.with_settings(&pool, |settings| settings.token.clone()).flatten();
            let checked = guard::check(token.as_ref(), is_tcp, request.uri(), request.headers());
            Ok::<_, Infallible>(match checked {
                Ok(()) => answer(&shell, &pool, &peer, request).await,
                Err((status, why)) => turned_away(status, &why),
            })
        }
    });
    let mut http = http1::Builder::new();
    http.timer(HttpTimer).header_read_timeout(PATIENCE);
    let mut connection = pin!(http.serve_connection(io, service));
    loop {
        let mut woken = pin!(member.wake.notified());
        let is_over = poll_fn(|cx| {
            if connection.as_mut().poll(cx).is_ready() {
                return Poll::Ready(true);
            }
            woken.as_mut().poll(cx).map(|()| member.is_evicted.get() && !member.has_spoken.get())
        });
        if is_over.await {
            return;
        }
        if member.is_closing.get() {
            connection.as_mut().graceful_shutdown();
        }
    }
}

async fn answer(shell: &Rc<Shell>, pool: &PoolName, peer: &Arc<str>, request: Request<Incoming>) -> Answer {
    let path = request.uri().path().to_owned();
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    match path.strip_prefix("/call/") {
        Some(method) if request.method() == Method::POST => match call(shell, pool, peer, method, request).await {
            Ok(body) => result(body),
            Err((status, error)) => failed(status, &error),
        },
        Some(_) => not_allowed("POST"),
        None if path == "/" && request.method() == Method::POST => match spoken(shell, pool, peer, request).await {
            Ok(answer) => answer,
            Err((status, error)) => failed(status, &error),
        },
        None if path == "/" && reads => listed(shell, pool),
        None if path == "/health" && reads => health(shell, pool),
        None if path == "/" => not_allowed("GET, HEAD, POST"),
        None if path == "/health" => not_allowed("GET, HEAD"),
        None => {
            failed(StatusCode::NOT_FOUND, &error("there are `POST /call/METHOD`, `POST /`, `GET /` and `GET /health`"))
        }
    }
}

async fn call(
    shell: &Rc<Shell>,
    pool: &PoolName,
    peer: &Arc<str>,
    method: &str,
    request: Request<Incoming>,
) -> Result<Body, (StatusCode, CallError)> {
    let Some(method) = decoded(method) else {
        return Err((StatusCode::NOT_FOUND, error("the name of the method is no UTF-8")));
    };
    let trace = request.headers().get("traceparent").and_then(|value| value.to_str().ok()).map(Arc::from);
    let body = json_body(request).await?;
    let args = arguments(body)
        .map_err(|message| (StatusCode::BAD_REQUEST, CallError { code: code::NOT_JSON, message, data: None }))?;
    let asking = Asking::outside(pool, Some(Arc::from(method)), args.map(Body::Json), peer);
    made(shell, Asking { traceparent: trace, ..asking }).await.map_err(|error| (status(error.code), error))
}

/// Answers a request in one of the forms of other listeners.
async fn spoken(
    shell: &Rc<Shell>,
    pool: &PoolName,
    peer: &Arc<str>,
    request: Request<Incoming>,
) -> Result<Answer, (StatusCode, CallError)> {
    let body = json_body(request).await?;
    let request = outside::request(shell, pool, peer, Found::Json(body));
    let (answered, answer) = oneshot::channel();
    let made = Made(shell, shell.next_calls(request.calls()));
    request.make(shell, made.1, |answer| drop(answered.send(answer)));
    let answer = answer.await.map_err(|_| (StatusCode::SERVICE_UNAVAILABLE, dropped()))?;
    Ok(match answer {
        Some(bytes) => answer_of(StatusCode::OK, JSON, Bytes::from(bytes)),
        None => answer_of(StatusCode::NO_CONTENT, JSON, Bytes::new()),
    })
}

/// Calls that were made, and are cancelled when this is dropped.
struct Made<'a>(&'a Shell, Numbers);

impl Drop for Made<'_> {
    fn drop(&mut self) {
        self.0.left_all(self.1);
    }
}

/// Makes a call, which is cancelled when this is dropped.
async fn made(shell: &Rc<Shell>, asking: Asking) -> Result<Body, CallError> {
    let (answered, answer) = oneshot::channel();
    let made = Made(shell, shell.next_calls(1));
    // A client that is gone takes its half of the channel along.
    let reply = |answer| drop(answered.send(answer));
    shell.call(made.1.first, asking, Box::new(reply));
    answer.await.unwrap_or_else(|_| Err(dropped()))
}

fn dropped() -> CallError {
    CallError { code: code::STOPPING, ..error("the call was dropped") }
}

/// Reads a body that says that it is JSON, or is empty.
async fn json_body(request: Request<Incoming>) -> Result<Vec<u8>, (StatusCode, CallError)> {
    let content_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_json = content_type.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case(JSON));
    let body = body(request.into_body()).await?;
    if !is_json && !body.is_empty() {
        let message = format!("the arguments are JSON; send `Content-Type: {JSON}`");
        return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, error(&message)));
    }
    Ok(body)
}

/// Reads a body to its end.
async fn body(incoming: Incoming) -> Result<Vec<u8>, (StatusCode, CallError)> {
    let too_large = || {
        let message = format!("the body is larger than {MAX_LINE_BYTES} bytes");
        Err((StatusCode::PAYLOAD_TOO_LARGE, error(&message)))
    };
    if incoming.size_hint().lower() > MAX_LINE_BYTES as u64 {
        return too_large();
    }
    let mut incoming = pin!(incoming);
    let mut body = Vec::new();
    let is_late = Cell::new(false);
    let mut next = async || {
        let frame = poll_fn(|cx| incoming.as_mut().poll_frame(cx));
        timeout(PATIENCE, frame).await.unwrap_or_else(|_| {
            is_late.set(true);
            None
        })
    };
    while let Some(frame) = next().await {
        let frame = frame.map_err(|gone| (StatusCode::BAD_REQUEST, error(&format!("the body was cut: {gone}"))))?;
        body.extend_from_slice(frame.data_ref().unwrap_or(&Bytes::new()));
        if body.len() > MAX_LINE_BYTES {
            return too_large();
        }
    }
    if is_late.get() {
        return Err((StatusCode::REQUEST_TIMEOUT, error("the request was not complete within 30 s")));
    }
    Ok(body)
}

/// `None`: none are given.
fn arguments(body: Vec<u8>) -> Result<Option<Arc<RawValue>>, String> {
    if body.is_empty() {
        return Ok(None);
    }
    let text = String::from_utf8(body).map_err(|error| format!("the body is no UTF-8: {error}"))?;
    let value = RawValue::from_string(text).map_err(|error| format!("the body is no JSON: {error}"))?;
    Ok(Some(value.into()))
}

/// Resolves `%2F` and the like.
fn decoded(path: &str) -> Option<String> {
    percent_decode_str(path).decode_utf8().ok().map(Cow::into_owned)
}

const fn status(code: i64) -> StatusCode {
    match code {
        code::NO_SUCH_METHOD => StatusCode::NOT_FOUND,
        code::WRONG_PARAMS | code::NOT_JSON => StatusCode::BAD_REQUEST,
        code::TIMED_OUT => StatusCode::GATEWAY_TIMEOUT,
        code::QUEUE_FULL | code::CIRCUIT_OPEN | code::STOPPING => StatusCode::SERVICE_UNAVAILABLE,
        code::RATE_LIMITED => StatusCode::TOO_MANY_REQUESTS,
        code::WORKER_DIED => StatusCode::BAD_GATEWAY,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn error(message: &str) -> CallError {
    CallError { code: crate::wire::rpc::INVALID_REQUEST, message: message.to_owned(), data: None }
}

fn listed(shell: &Shell, pool: &PoolName) -> Answer {
    let listed = shell.with_calls(|calls| {
        let view = calls.service(pool);
        let declared = view.as_ref().and_then(|view| view.declared);
        let methods = view.iter().flat_map(|view| view.methods(true));
        let methods: Vec<_> = methods
            .map(|(name, method)| {
                json!({ "name": name, "description": method.description, "params": method.params, "result": method.result })
            })
            .collect();
        let name = declared.and_then(|declared| declared.name.as_deref()).unwrap_or(pool.as_str());
        json!({ "service": name, "version": declared.and_then(|declared| declared.version.as_deref()), "methods": methods })
    });
    json_answer(StatusCode::OK, &listed)
}

fn health(shell: &Shell, pool: &PoolName) -> Answer {
    let health = shell.health(pool);
    let workers = shell.with_calls(|calls| calls.service(pool).map_or(0, |view| view.ready));
    let (word, status) = match health.as_ref().map(|health| health.status) {
        _ if workers == 0 => ("starting", StatusCode::SERVICE_UNAVAILABLE),
        None | Some(HealthStatus::Healthy) => ("healthy", StatusCode::OK),
        Some(HealthStatus::Degraded) => ("degraded", StatusCode::OK),
        Some(HealthStatus::Unhealthy) => ("unhealthy", StatusCode::SERVICE_UNAVAILABLE),
    };
    let message = health.map(|health| health.message).filter(|message| !message.is_empty());
    json_answer(status, &json!({ "status": word, "workers": workers, "message": message }))
}

fn result(body: Body) -> Answer {
    match body {
        Body::Json(value) => answer_of(StatusCode::OK, JSON, Bytes::copy_from_slice(value.get().as_bytes())),
        Body::Raw(bytes) => {
            let is_text = std::str::from_utf8(&bytes).is_ok();
            let kind = if is_text { "text/plain; charset=utf-8" } else { "application/octet-stream" };
            answer_of(StatusCode::OK, kind, Bytes::copy_from_slice(&bytes))
        }
    }
}

fn failed(status: StatusCode, error: &CallError) -> Answer {
    let mut answer = json_answer(status, &json!({ "error": error }));
    let after = error.data.as_ref().and_then(|data| data.get("retry_after_s")?.as_f64());
    if let Some(after) = after {
        // Whole seconds, and not too early.
        answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(after.clamp(1.0, 86_400.0).ceil() as u64));
    }
    answer
}

fn turned_away(status: StatusCode, why: &str) -> Answer {
    let mut answer = failed(status, &error(why));
    if status == StatusCode::UNAUTHORIZED {
        answer.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    answer
}

fn not_allowed(allowed: &'static str) -> Answer {
    let mut answer = failed(StatusCode::METHOD_NOT_ALLOWED, &error(&format!("the method here is {allowed}")));
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    answer
}

fn json_answer(status: StatusCode, value: &serde_json::Value) -> Answer {
    answer_of(status, JSON, Bytes::from(value.to_string()))
}

fn answer_of(status: StatusCode, kind: &'static str, body: Bytes) -> Answer {
    let mut answer = Response::new(Whole(Some(body)));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}
