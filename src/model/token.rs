//! The token of a service, which callers over HTTP have to show.
//!
//! Invariant: nobody is shown it, also not in a log.

use std::fmt;

use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

/// A word that only those know who may call.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Token(String);

impl Token {
    /// Reads a token; why it is none, if so.
    pub fn new(text: &str) -> Result<Self, String> {
        match text.trim_ascii() {
            "" => Err("the token is empty".to_owned()),
            text if text.bytes().all(|byte| byte.is_ascii_graphic()) => Ok(Self(text.to_owned())),
            _ => Err("a token is of letters, digits and signs of ASCII, without spaces".to_owned()),
        }
    }

    /// Whether this is the token. How long it takes does not tell how much of it is right.
    #[must_use]
    pub fn is(&self, shown: &str) -> bool {
        self.0.as_bytes().ct_eq(shown.as_bytes()).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}
