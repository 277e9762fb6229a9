//! A store is a file, not a path: databases under several names, copies, guests beside masters, files of other users.

#[path = "../support/mod.rs"]
mod support;

mod copies;
mod guests;
mod names;
mod shared;
mod stale;
mod trust;
