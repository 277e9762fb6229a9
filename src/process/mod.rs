//! Processes: spawning, signalling, recognising and finding them.
//!
//! Knows nothing of jobs, pools or the store. No `unsafe`, no `pre_exec` of our own.
//!
//! Whatever is done otherwise on one operating system than on another, files and sockets included, is in `linux` and in
//! `macos`. Both have the same modules with the same functions, of which the others here are made; one is compiled.
//!
//! Invariants:
//! - Nothing but this file asks which system it is on.
//! - Only a process known not to have been reaped, or one whose start time was just compared, is signalled.
//! - Every worker leads a process group of its own and carries the instance cookie in its environment, and where the system
//!   has them the same in a mark, and a control group of its own. Any one of these, or a known parent, is enough to
//!   recognise what it has started.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
use linux as system;
#[cfg(target_os = "macos")]
mod macos;
#[cfg(target_os = "macos")]
use macos as system;
#[cfg(not(any(target_os = "linux", target_os = "macos")))]
compile_error!("queue-work runs on Linux, and is checked for macOS; another system needs a folder in src/process");

pub mod cgroup;
pub mod child;
pub mod exits;
pub mod files;
pub mod group;
pub mod guardian;
pub mod identity;
pub mod image;
pub mod inherited;
pub mod oom;
pub mod pipes;
mod procfs;
pub(crate) mod self_pipe;
pub mod service_manager;
pub mod spawn;
pub mod start_step;
pub mod sweep;
pub mod tail;
pub mod tree;

pub(crate) use system::{clock, file_facts, memory_file, packets, sockets, watch};
pub use system::{machine, mark};

#[cfg(test)]
pub(crate) mod testing;
