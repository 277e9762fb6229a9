//! Messages that the master sends without being asked again.

use serde_json::value::RawValue;

use super::{Client, ClientError, Incoming};
use crate::wire::control::NOTE;

/// A message that the master sends without being asked again.
#[derive(Clone, Debug)]
pub struct Notification {
    pub method: String,
    /// The rest, JSON text.
    pub params: Box<RawValue>,
}

impl Notification {
    /// A text for people, if that is what it is.
    #[must_use]
    pub fn note(&self) -> Option<String> {
        (self.method == NOTE).then(|| serde_json::from_str(self.params.get()).ok()).flatten()
    }
}

impl Client {
    /// Messages of the master from now on, until it closes the connection.
    pub fn notifications(&mut self) -> impl Iterator<Item = Result<Notification, ClientError>> {
        std::iter::from_fn(move || {
            loop {
                if let Some(kept) = self.kept.pop_front() {
                    return Some(Ok(kept));
                }
                match self.receive() {
                    Ok(incoming) => self.kept.extend(as_notification(&incoming)),
                    Err(ClientError::Closed) => return None,
                    Err(error) => return Some(Err(error)),
                }
            }
        })
    }

    /// The next message of the master; `None` if none comes in the time of a limited patience.
    #[cfg(feature = "web")]
    pub fn hear(&mut self) -> Result<Option<Notification>, ClientError> {
        loop {
            if let Some(kept) = self.kept.pop_front() {
                return Ok(Some(kept));
            }
            let Some(incoming) = self.receive_soon()? else { return Ok(None) };
            self.kept.extend(as_notification(&incoming));
        }
    }
}

pub(super) fn as_notification(incoming: &Incoming) -> Option<Notification> {
    let method = incoming.method.clone()?;
    let params = incoming.params.clone().unwrap_or_else(|| RawValue::NULL.to_owned());
    Some(Notification { method, params })
}
