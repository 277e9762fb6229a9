//! Worker messages.
