//! Faults at random moments, and an oracle outside of the store: nothing acknowledged is lost, no job runs twice at a
//! time, nothing outlives a master, nobody is blamed for what was not theirs.
//!
//! `scripts/chaos` runs these tests in an optimised build, with other numbers, and prints the table of figures; as
//! ordinary tests they run fifty rounds. Everything random comes from a seed; see `settings` for the variables.

// Not on other systems: jobs are locked by a kind of lock that only Linux has.
#![cfg(target_os = "linux")]

#[path = "../support/mod.rs"]
mod support;
#[path = "../support/ticks.rs"]
mod ticks;

mod chief;
mod clock;
mod deeds;
mod dice;
mod field;
mod figures;
mod findings;
mod ledger;
mod oracle;
mod plan;
mod pools;
mod pushers;
mod records;
mod rounds;
mod settings;
mod soak;
mod table;
mod talk;
mod victims;
mod witness;
mod worker;
