//! A collector that takes nothing but what OTLP over HTTP in JSON allows, and remembers what it was sent.
//!
//! Invariant: a member or a header that does not belong there is a fault, and a test that asks for spans panics with it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use super::support::{DEADLINE, eventually, now};

/// Its answer to a request.
#[derive(Clone, Debug)]
pub(crate) enum Manner {
    Takes,
    /// Answers with this status line and headers, and this body.
    Answers(&'static str, &'static str),
    /// Reads the request and says nothing.
    Hangs,
    /// Reads the request and closes the connection.
    Closes,
}

/// A span as it came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) trace: String,
    pub(crate) span: String,
    pub(crate) state: Option<String>,
    pub(crate) parent: Option<String>,
    pub(crate) name: String,
    pub(crate) kind: u64,
    /// In nanoseconds.
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) attributes: BTreeMap<String, Value>,
    /// Trace and span of each.
    pub(crate) links: Vec<(String, String)>,
    /// Whether it went wrong, and what is said of that.
    pub(crate) error: Option<String>,
    pub(crate) resource: BTreeMap<String, Value>,
}

#[derive(Default)]
struct Known {
    manner: Option<Manner>,
    /// Of requests that were taken.
    spans: Vec<Seen>,
    /// When each request came, with its path and headers.
    requests: Vec<(Instant, String, BTreeMap<String, String>)>,
    faults: Vec<String>,
}

pub(crate) struct Collector {
    pub(crate) url: String,
    known: Arc<Mutex<Known>>,
}

impl Collector {
    pub(crate) fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let known = Arc::new(Mutex::new(Known { manner: Some(manner), ..Known::default() }));
        let of_thread = Arc::clone(&known);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let known = Arc::clone(&of_thread);
                std::thread::spawn(move || serve(&stream, &known));
            }
        });
        Self { url, known }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub(crate) fn set(&self, manner: Manner) {
        self.known().manner = Some(manner);
    }

    /// All spans so far.
    #[track_caller]
    pub(crate) fn spans(&self) -> Vec<Seen> {
        let known = self.known();
        assert!(known.faults.is_empty(), "{:#?}", known.faults);
        known.spans.clone()
    }

    /// The only span of this name.
    #[track_caller]
    pub(crate) fn span(&self, name: &str) -> Seen {
        let mut spans = self.spans();
        spans.retain(|span| span.name == name);
        assert_eq!(spans.len(), 1, "{name}: {spans:#?}");
        spans.remove(0)
    }

    /// When each request came, its path and its headers.
    #[track_caller]
    pub(crate) fn requests(&self) -> Vec<(Instant, String, BTreeMap<String, String>)> {
        self.spans();
        self.known().requests.clone()
    }

    #[track_caller]
    pub(crate) fn wait_for_requests(&self, count: usize) {
        assert!(eventually(DEADLINE, || self.requests().len() >= count), "{:?}", self.requests());
    }
}

fn serve(stream: &TcpStream, known: &Mutex<Known>) {
    let mut reader = BufReader::new(stream);
    loop {
        let request = match read(&mut reader) {
            Ok(Some(request)) => request,
            Ok(None) => return,
            Err(fault) => return lock(known).faults.push(fault),
        };
        let manner = {
            let mut known = lock(known);
            known.requests.push((now(), request.path.clone(), request.headers.clone()));
            let manner = known.manner.clone().expect("a manner");
            match spans(&request.body) {
                Ok(spans) if matches!(manner, Manner::Takes) => known.spans.extend(spans),
                Ok(_) => {}
                Err(fault) => known.faults.push(fault),
            }
            manner
        };
        let (status, body) = match manner {
            Manner::Takes => ("200 OK\r\nContent-Type: application/json", "{\"partialSuccess\":{}}"),
            Manner::Answers(status, body) => (status, body),
            Manner::Hangs => return std::thread::park_timeout(Duration::from_mins(10)),
            Manner::Closes => return,
        };
        let mut stream = stream;
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

fn lock(known: &Mutex<Known>) -> MutexGuard<'_, Known> {
    known.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

struct Request {
    path: String,
    headers: BTreeMap<String, String>,
    body: Value,
}

fn read(reader: &mut impl BufRead) -> Result<Option<Request>, String> {
    let mut line = || {
        let mut line = String::new();
        reader.read_line(&mut line).map_err(|e| e.to_string()).map(|_| line)
    };
    let first = line()?;
    if first.is_empty() {
        return Ok(None);
    }
    let words: Vec<&str> = first.split(' ').collect();
    let ["POST", path, "HTTP/1.1\r\n"] = words[..] else { return Err(format!("the request line is {first:?}")) };
    let mut headers = BTreeMap::new();
    loop {
        let line = line()?;
        if line == "\r\n" {
            break;
        }
        let (name, value) =
            line.strip_suffix("\r\n").and_then(|line| line.split_once(": ")).ok_or(format!("header {line:?}"))?;
        if headers.insert(name.to_lowercase(), value.to_owned()).is_some() {
            return Err(format!("two headers {name}"));
        }
    }
    if headers.get("content-type").map(String::as_str) != Some("application/json")
        || headers.contains_key("transfer-encoding")
    {
        return Err(format!("the headers are {headers:?}"));
    }
    let length: usize = headers.get("content-length").and_then(|length| length.parse().ok()).ok_or("no length")?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).map_err(|e| e.to_string())?;
    let body = serde_json::from_slice(&body).map_err(|e| format!("the body is no JSON: {e}"))?;
    Ok(Some(Request { path: path.to_owned(), headers, body }))
}

/// The members of an object: all of `must`, any of `may`, no other.
fn members<'a>(value: &'a Value, must: &[&str], may: &[&str]) -> Result<&'a Map<String, Value>, String> {
    let object = value.as_object().ok_or_else(|| format!("{value} is no object"))?;
    let odd = object.keys().find(|key| !must.contains(&key.as_str()) && !may.contains(&key.as_str()));
    let missing = must.iter().find(|key| !object.contains_key(**key));
    match (odd, missing) {
        (None, None) => Ok(object),
        _ => Err(format!("{odd:?} does not belong, {missing:?} is missing in {value}")),
    }
}

fn list<'a>(value: &'a Value, key: &str) -> Result<&'a Vec<Value>, String> {
    value[key].as_array().ok_or_else(|| format!("`{key}` is no list in {value}"))
}

fn text(value: &Value, key: &str) -> Result<String, String> {
    value[key].as_str().map(str::to_owned).ok_or_else(|| format!("`{key}` is no text in {value}"))
}

fn maybe_text(value: &Value, key: &str) -> Result<Option<String>, String> {
    value.get(key).map(|_| text(value, key)).transpose()
}

fn id(value: &Value, key: &str, digits: usize) -> Result<String, String> {
    let id = text(value, key)?;
    let fits = id.len() == digits && id.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    if fits && id.bytes().any(|b| b != b'0') { Ok(id) } else { Err(format!("`{key}` is {id}")) }
}

fn number(value: &Value, key: &str) -> Result<u64, String> {
    text(value, key)?.parse().map_err(|e| format!("`{key}`: {e} in {value}"))
}

fn spans(body: &Value) -> Result<Vec<Seen>, String> {
    members(body, &["resourceSpans"], &[])?;
    let mut all = Vec::new();
    for of_resource in list(body, "resourceSpans")? {
        members(of_resource, &["resource", "scopeSpans"], &[])?;
        members(&of_resource["resource"], &["attributes"], &[])?;
        let resource = attributes(&of_resource["resource"])?;
        if !resource.contains_key("service.name") {
            return Err(format!("there is no service.name in {resource:?}"));
        }
        for of_scope in list(of_resource, "scopeSpans")? {
            members(of_scope, &["scope", "spans"], &[])?;
            members(&of_scope["scope"], &["name", "version"], &[])?;
            if text(&of_scope["scope"], "name")? != "queue-work" {
                return Err(format!("the scope is {}", of_scope["scope"]));
            }
            let spans = list(of_scope, "spans")?;
            if spans.is_empty() || spans.len() > 512 {
                return Err(format!("a batch of {} spans", spans.len()));
            }
            for span in spans {
                all.push(seen(span, &resource)?);
            }
        }
    }
    Ok(all)
}

fn seen(span: &Value, resource: &BTreeMap<String, Value>) -> Result<Seen, String> {
    let must =
        ["traceId", "spanId", "name", "kind", "startTimeUnixNano", "endTimeUnixNano", "attributes", "links", "status"];
    members(span, &must, &["traceState", "parentSpanId"])?;
    members(&span["status"], &[], &["code", "message"])?;
    let error = match span["status"].get("code").map(Value::as_u64) {
        None => None,
        Some(Some(2)) => Some(maybe_text(&span["status"], "message")?.unwrap_or_default()),
        Some(other) => return Err(format!("status {other:?}")),
    };
    let link = |link: &Value| {
        members(link, &["traceId", "spanId"], &["traceState"])?;
        Ok((id(link, "traceId", 32)?, id(link, "spanId", 16)?))
    };
    let seen = Seen {
        trace: id(span, "traceId", 32)?,
        span: id(span, "spanId", 16)?,
        state: maybe_text(span, "traceState")?,
        parent: span.get("parentSpanId").map(|_| id(span, "parentSpanId", 16)).transpose()?,
        name: text(span, "name")?,
        kind: span["kind"].as_u64().ok_or("a kind that is no number")?,
        start: number(span, "startTimeUnixNano")?,
        end: number(span, "endTimeUnixNano")?,
        attributes: attributes(span)?,
        links: list(span, "links")?.iter().map(link).collect::<Result<_, String>>()?,
        error,
        resource: resource.clone(),
    };
    if seen.end < seen.start || seen.start < 1_600_000_000_000_000_000 {
        return Err(format!("times of {span}"));
    }
    Ok(seen)
}

fn attributes(of: &Value) -> Result<BTreeMap<String, Value>, String> {
    let mut all = BTreeMap::new();
    for attribute in list(of, "attributes")? {
        members(attribute, &["key", "value"], &[])?;
        let value = &attribute["value"];
        let value = match members(value, &[], &["stringValue", "intValue"])?.keys().next().map(String::as_str) {
            Some("stringValue") => Value::from(text(value, "stringValue")?),
            Some("intValue") => Value::from(text(value, "intValue")?.parse::<i64>().map_err(|e| e.to_string())?),
            _ => return Err(format!("the value is {value}")),
        };
        let key = text(attribute, "key")?;
        if all.insert(key.clone(), value).is_some() {
            return Err(format!("two attributes {key}"));
        }
    }
    Ok(all)
}
