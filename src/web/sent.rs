//! The body of a request that acts: bounded in length and time, with the fields of a form.

use std::time::Duration;

use axum::body::{Bytes, to_bytes};
use axum::extract::Request;
use hyper::StatusCode;
use hyper::header::CONTENT_TYPE;
use tokio::time::timeout;

/// The longest body, and time for it to come.
const MOST_BYTES: usize = 20 << 20;
const WITHIN: Duration = Duration::from_secs(30);

/// The body of a request.
pub(super) struct Sent {
    /// The media type.
    pub kind: String,
    pub bytes: Bytes,
    /// Of a form.
    pub fields: Vec<(String, String)>,
}

impl Sent {
    /// Reads it to its end; what is wrong with it, as a status and in words.
    pub(super) async fn read(request: Request) -> Result<Self, (StatusCode, &'static str)> {
        let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let bytes = match timeout(WITHIN, to_bytes(request.into_body(), MOST_BYTES)).await {
            Ok(Ok(bytes)) => bytes,
            Ok(Err(_)) => return Err((StatusCode::PAYLOAD_TOO_LARGE, "the body is too long, or did not come whole")),
            Err(_) => return Err((StatusCode::REQUEST_TIMEOUT, "the body did not come in time")),
        };
        let is_form = kind == "application/x-www-form-urlencoded";
        let fields = if is_form { form_urlencoded::parse(&bytes).into_owned().collect() } else { Vec::new() };
        Ok(Self { kind, bytes, fields })
    }

    /// A field of a form that is not empty.
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        let found = self.fields.iter().find(|(name, _)| name == key);
        found.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    }
}
