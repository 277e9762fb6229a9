//! The collector of spans, and the share of jobs that begin a trace: `[telemetry]`, and the variables that OpenTelemetry has for all programs.
//!
//! Variables, by the [specification](https://opentelemetry.io/docs/specs/otel/protocol/exporter/), win over the file:
//! `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` as it is, else `OTEL_EXPORTER_OTLP_ENDPOINT` with `/v1/traces` behind, as the key
//! `otlp`; `OTEL_EXPORTER_OTLP_TRACES_HEADERS`, else `OTEL_EXPORTER_OTLP_HEADERS`; `OTEL_SERVICE_NAME`,
//! `OTEL_RESOURCE_ATTRIBUTES`; `OTEL_SDK_DISABLED=true`. An empty one counts as not set.
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

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const TRACES_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
const HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";
const TRACES_HEADERS: &str = "OTEL_EXPORTER_OTLP_TRACES_HEADERS";
const SERVICE: &str = "OTEL_SERVICE_NAME";
const ATTRIBUTES: &str = "OTEL_RESOURCE_ATTRIBUTES";
const DISABLED: &str = "OTEL_SDK_DISABLED";

/// The attribute that every resource has.
const SERVICE_NAME: &str = "service.name";
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
    let set = |name: &'static str| env.text(name).filter(|text| !text.is_empty()).map(|text| (name, text));
    let base = |url: &str| format!("{}{TRACES_PATH}", url.trim_end_matches('/'));
    let mut url = Some(raw::text(table, "otlp")?).filter(|url| *url != "off").map(base);
    if let Some((name, text)) = set(TRACES_ENDPOINT).or_else(|| set(ENDPOINT)) {
        origins.set("telemetry.otlp", &format!("environment {name}"));
        problems.extend(endpoint(text).err().map(|why| {
            let next = "if it is meant for workers alone, put it into the `env` of their pool";
            Problem::with_key(name, format!("{why}; {next}"))
        }));
        url = Some(if name == TRACES_ENDPOINT { text.to_owned() } else { base(text) });
    }
    if set(DISABLED).is_some_and(|(_, text)| text.eq_ignore_ascii_case("true")) {
        origins.set("telemetry.otlp", &format!("environment {DISABLED}"));
        url = None;
    }
    let collector = match url {
        Some(url) => {
            let given = said(set(ATTRIBUTES), pairs, problems);
            let headers = said(set(TRACES_HEADERS).or_else(|| set(HEADERS)), headers, problems);
            Some(Collector { url, headers, resource: resource(given, set(SERVICE).map(|(_, name)| name)) })
        }
        None => None,
    };
    Ok(Telemetry { collector, sample: raw::value(table, "sample")? })
}

/// The list in a variable; none if it is not set, or wrong.
fn said<T>(
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
