//! Peers that mean no good, machines that have nothing left, clocks that lie: through the real binary.

#[path = "../control/peer.rs"]
mod peer;
#[path = "../support/mod.rs"]
mod support;

mod clients;
mod files;
mod floods;
mod help;
mod loops;
mod many;
mod terminal;
