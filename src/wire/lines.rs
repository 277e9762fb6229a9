//! Splitting a stream of bytes into lines.
