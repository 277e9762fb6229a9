//! Peers that mean no good, machines that have nothing left, clocks that lie: through the real binary.
//!
//! Where each of them is tested:
//! - Floods on stdout and stderr: `floods`, and `lifecycle/pipes`, `control/output`. `HOSTILE_SECONDS` makes them longer.
//! - A worker that does not read: `lifecycle/timeouts`; one that asks and does not listen: `control/hostile`.
//! - Garbage, forged, second and half answers, endless lines: `lifecycle/hostile`, and `src/wire/fuzz.rs` for all others.
//! - Texts of any bytes, deep and large JSON: `queue/push`, `queue/argv`, `control/grammar`, `src/wire/worker/tests.rs`.
//! - Clients that are silent, slow, deaf, or many: `clients`, `control/hostile`, `src/master/clients/tests.rs`.
//! - Another user at the socket: `control/hostile`. Stale sockets and second masters: `recovery/second`, `verbs/databases`.
//! - What is printed on terminals: `terminal`, `control/output`. Values of the environment stay unseen:
//!   `src/config/tests/showing.rs`.
//! - Commands that jobs would like to choose: `queue/argv`, `queue/templates`, `src/worker/template.rs`.
//! - Open files and processes run out: `files`, `src/core/tests/spawn_budget.rs`. A thousand workers: `many`.
//! - Crash loops and jobs that kill their workers: `loops`, `lifecycle/crashes`, `lifecycle/starts`.
//! - Clocks that are set: `clock`, `src/core/tests/timeouts.rs`. A suspended machine is one whose wall clock alone goes on.
//! - A long history: `history` (`HOSTILE_RUNS=10000000` for a very long one). Each statement's plan: `open_tests.rs`.
//! - Changed and missing bytes in the database: `damage`, `src/store/sqlite/damage_tests.rs`; in configurations:
//!   `src/config/tests/fuzz.rs`; in `/proc`: `src/process/linux/stat.rs`, `src/process/sweep/tests.rs`.

#[path = "../control/peer.rs"]
mod peer;
#[path = "../support/mod.rs"]
mod support;

mod clients;
mod clock;
mod damage;
mod files;
mod floods;
mod help;
mod history;
mod long_requests;
mod loops;
#[cfg(target_os = "linux")]
mod many;
mod secrets;
mod terminal;
mod unfinished;
