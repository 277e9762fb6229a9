//! The collector of spans, and the share of jobs that begin a trace: `[telemetry]`, and the variables that OpenTelemetry has for all programs.
//!
//! Variables, by the [specification](https://opentelemetry.io/docs/specs/otel/protocol/exporter/), win over the file:
//! `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` as it is, else `OTEL_EXPORTER_OTLP_ENDPOINT` with `/v1/traces` behind, as the key
//! `otlp`; `OTEL_EXPORTER_OTLP_TRACES_HEADERS`, else `OTEL_EXPORTER_OTLP_HEADERS`; the protocols in the same way;
//! `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`. Before all, `OTEL_SDK_DISABLED=true` and an `OTEL_TRACES_EXPORTER` other
//! than `otlp` turn it off. An empty one counts as not set. Verbs that neither start a master nor show its configuration
//! do not look at them: in a job they may be meant for the worker.
//!
//! Invariant: headers may be secrets, and are in no message.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use ureq::http::{HeaderName, HeaderValue, Uri};

use super::document::Table;
use super::environment::Environment;
use super::problem::Problem;
use super::raw;
use super::show::Origins;

/// The beginning of all these variables.
pub(super) const BEGINNING: &str = "OTEL_";
const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const TRACES_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
const PROTOCOL: &str = "OTEL_EXPORTER_OTLP_PROTOCOL";
const TRACES_PROTOCOL: &str = "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL";
const HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";
const TRACES_HEADERS: &str = "OTEL_EXPORTER_OTLP_TRACES_HEADERS";
const SERVICE: &str = "OTEL_SERVICE_NAME";
const ATTRIBUTES: &str = "OTEL_RESOURCE_ATTRIBUTES";
const EXPORTER: &str = "OTEL_TRACES_EXPORTER";
const DISABLED: &str = "OTEL_SDK_DISABLED";
/// Variables that say where spans go and how.
const OF_COLLECTOR: [&str; 8] =
    [ENDPOINT, TRACES_ENDPOINT, PROTOCOL, TRACES_PROTOCOL, HEADERS, TRACES_HEADERS, SERVICE, ATTRIBUTES];

/// The attribute that every resource has.
const SERVICE_NAME: &str = "service.name";
/// The next step where a variable was not meant for the master.
const NOT_MEANT: &str = "to send nothing, set `OTEL_SDK_DISABLED=true`; what is meant for workers alone belongs into the `env` of their pool";
const NO_GRPC: &str = "spans are sent as `http/json`, and not as `grpc`; set `OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=http/json` and, in \
     `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`, the address for HTTP, such as \"http://127.0.0.1:4318/v1/traces\"";
/// Below the endpoint of a collector.
const TRACES_PATH: &str = "/v1/traces";

/// The fate of traces.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Telemetry {
    /// Spans are sent there; `None`: nowhere.
    pub collector: Option<Collector>,
    /// Of jobs that are pushed in no trace, the share that begins one.
    pub sample: f64,
}

/// A collector of spans that speaks OTLP over HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collector {
    /// Spans are posted to it as it is.
    pub url: String,
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Attributes of whoever sends them, the name of the service first.
    pub resource: Vec<(String, String)>,
}

/// Lays the environment over the table of the file and its defaults.
pub(super) fn settle(
    table: &Table,
    env: &Environment,
    origins: &mut Origins,
    problems: &mut Vec<Problem>,
) -> Result<Telemetry, String> {
    origins.set_table("telemetry", table);
    let sample = raw::value(table, "sample")?;
    let set = |name: &'static str| env.text(name).filter(|text| !text.is_empty()).map(|text| (name, text));
    let base = |url: &str| format!("{}{TRACES_PATH}", url.trim_end_matches('/'));
    let is_disabled = |(_, text): &(_, &str)| text.eq_ignore_ascii_case("true");
    let goes_elsewhere = |(_, text): &(_, &str)| !text.split(',').any(|exporter| exporter.trim() == "otlp");
    if let Some((name, _)) = set(DISABLED).filter(is_disabled).or_else(|| set(EXPORTER).filter(goes_elsewhere)) {
        origins.set("telemetry.otlp", &format!("environment {name}"));
        return Ok(Telemetry { collector: None, sample });
    }
    let mut url = Some(raw::text(table, "otlp")?).filter(|url| *url != "off").map(base);
    if let Some((name, text)) = set(TRACES_ENDPOINT).or_else(|| set(ENDPOINT)) {
        origins.set("telemetry.otlp", &format!("environment {name}"));
        let grpc = set(TRACES_PROTOCOL).or_else(|| set(PROTOCOL)).filter(|(_, text)| *text == "grpc");
        let wrong = endpoint(text).err().map(|why| (name, why));
        let wrong = wrong.into_iter().chain(grpc.map(|(name, _)| (name, NO_GRPC.to_owned())));
        problems.extend(wrong.map(|(name, why)| Problem::with_key(name, format!("{why}; {NOT_MEANT}"))));
        url = Some(if name == TRACES_ENDPOINT { text.to_owned() } else { base(text) });
    }
    if url.is_some() || [ENDPOINT, TRACES_ENDPOINT].iter().any(|name| env.has(name)) {
        let unread = OF_COLLECTOR.into_iter().filter(|name| env.has(name) && env.text(name).is_none());
        problems.extend(unread.map(|name| Problem::with_key(name, format!("it is not valid UTF-8; {NOT_MEANT}"))));
    }
    let collector = url.map(|url| {
        let given = listed(set(ATTRIBUTES), pairs, problems);
        let headers = listed(set(TRACES_HEADERS).or_else(|| set(HEADERS)), headers, problems);
        Collector { url, headers, resource: resource(given, set(SERVICE).map(|(_, name)| name)) }
    });
    Ok(Telemetry { collector, sample })
}

/// The list in a variable; none if it is not set, or wrong.
fn listed<T>(
    variable: Option<(&'static str, &str)>,
    read: impl Fn(&str) -> Result<Vec<T>, String>,
    problems: &mut Vec<Problem>,
) -> Vec<T> {
    let Some((name, text)) = variable else { return Vec::new() };
    read(text).unwrap_or_else(|why| {
        problems.push(Problem::with_key(name, why));
        Vec::new()
    })
}

/// Attributes of the service, its name first.
fn resource(mut given: Vec<(String, String)>, service: Option<&str>) -> Vec<(String, String)> {
    let of_list = given.iter().position(|(name, _)| name == SERVICE_NAME).map(|at| given.remove(at).1);
    let service = service.map(str::to_owned).or(of_list).unwrap_or_else(|| env!("CARGO_PKG_NAME").to_owned());
    given.insert(0, (SERVICE_NAME.to_owned(), service));
    given
}

/// Why this is no address of a collector, if so.
pub(super) fn endpoint(text: &str) -> Result<(), String> {
    if text.starts_with("https://") {
        return Err(
            "spans are sent without encryption; send them to an OpenTelemetry Collector on this machine, such as \
             \"http://127.0.0.1:4318\", and have that send them on by `https://`"
                .to_owned(),
        );
    }
    let uri = text.parse::<Uri>().ok().filter(|uri| {
        uri.scheme_str() == Some("http")
            && uri
                .authority()
                .is_some_and(|authority| !authority.host().is_empty() && !authority.as_str().contains('@'))
    });
    match uri {
        Some(uri) if uri.query().is_none() => Ok(()),
        _ => Err("it must be the address of a collector, such as \"http://127.0.0.1:4318\"".to_owned()),
    }
}

/// `key=value,key=value`, with `%20` and the like in the values.
fn pairs(text: &str) -> Result<Vec<(String, String)>, String> {
    let pair = |pair: &str| {
        let (key, value) = pair.split_once('=')?;
        let decoded = |text: &str| percent_decode_str(text.trim()).decode_utf8().ok().map(Cow::into_owned);
        Some((decoded(key).filter(|key| !key.is_empty())?, decoded(value)?))
    };
    let given = text.split(',').filter(|pair| !pair.trim().is_empty());
    given.map(|one| pair(one).ok_or_else(|| "it must be a list such as `key=value,other=value`".to_owned())).collect()
}

fn headers(text: &str) -> Result<Vec<(HeaderName, HeaderValue)>, String> {
    let header = |(name, value): (String, String)| {
        let parsed = name.parse::<HeaderName>().ok().zip(HeaderValue::from_str(&value).ok());
        let secret = parsed.map(|(name, mut value)| {
            value.set_sensitive(true);
            (name, value)
        });
        secret.ok_or_else(|| format!("`{name}` cannot be a header"))
    };
    pairs(text)?.into_iter().map(header).collect()
}
