//! A request to a collector, and what is to become of its spans.

use std::time::Duration;

use serde::Deserialize;
use ureq::http::{Response, StatusCode, header};
use ureq::{Agent, Body, Error};

use super::otlp;
use super::span::Span;
use crate::config::Collector;
use crate::report::words::one_line;

/// The most of an answer that is read, and that is shown, in bytes.
const MOST_ANSWER_BYTES: u64 = 64 * 1024;
const SHOWN_CHARS: usize = 200;

/// The way to a collector.
pub(super) struct Post {
    agent: Agent,
    collector: Collector,
}

/// The word of the collector on a batch.
pub(super) enum Answer {
    /// All of it but so many.
    Taken { rejected: u64, why: String },
    /// Not now; it says when, or not.
    Again { why: String, after: Option<Duration> },
    /// Never.
    Refused(String),
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Taken {
    partial_success: PartialSuccess,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PartialSuccess {
    /// A number of 64 bits: a text, though some write a number.
    rejected_spans: serde_json::Value,
    error_message: String,
}

impl Post {
    pub(super) fn new(collector: Collector) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            // A collector is near; a proxy of the environment is for what is far.
            .proxy(None)
            .user_agent(concat!("queue-work/", env!("CARGO_PKG_VERSION")));
        Self { agent: config.build().into(), collector }
    }

    pub(super) fn url(&self) -> &str {
        &self.collector.url
    }

    /// Sends spans; takes no longer than `timeout`.
    pub(super) fn send(&self, spans: &[Span], timeout: Duration) -> Answer {
        let mut request = self.agent.post(&self.collector.url).config().timeout_global(Some(timeout)).build();
        for (name, value) in &self.collector.headers {
            request = request.header(name, value);
        }
        let request = request.header(header::CONTENT_TYPE, "application/json");
        match request.send(otlp::request(&self.collector.resource, spans)) {
            Ok(response) => answer(response),
            Err(Error::Timeout(_)) => Answer::Again { why: "it does not answer".to_owned(), after: None },
            Err(error) => Answer::Again { why: error.to_string(), after: None },
        }
    }
}

fn answer(mut response: Response<Body>) -> Answer {
    let status = response.status();
    let after = response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    let body = response.body_mut().with_config().limit(MOST_ANSWER_BYTES).read_to_string().unwrap_or_default();
    if status.is_success() {
        let PartialSuccess { rejected_spans, error_message } =
            serde_json::from_str::<Taken>(&body).unwrap_or_default().partial_success;
        let rejected = rejected_spans.as_str().and_then(|text| text.parse().ok()).or(rejected_spans.as_u64());
        return Answer::Taken { rejected: rejected.unwrap_or(0), why: one_line(&error_message, SHOWN_CHARS) };
    }
    let why = format!("it answers {status} {}", one_line(&body, SHOWN_CHARS)).trim_end().to_owned();
    let is_busy = matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT
    );
    if is_busy { Answer::Again { why, after: after.map(Duration::from_secs) } } else { Answer::Refused(why) }
}
