//! Processes: spawning, signalling, recognising and finding them.
//!
//! Knows nothing of jobs, pools or the store. Linux only, no `unsafe`, no `pre_exec` of our own.
//!
//! Invariants:
//! - Only a process known not to have been reaped, or one whose start time was just compared, is signalled.
//! - Every worker leads a process group of its own and carries the instance cookie in its environment, and the same in a
//!   mark; where one can be made it is in a control group of its own. Any one of these, or a known parent, is enough to
//!   recognise what it has started.

pub mod cgroup;
pub mod child;
pub mod exits;
pub mod files;
pub mod group;
pub mod guardian;
pub mod identity;
pub mod image;
pub mod inherited;
pub mod machine;
pub mod mark;
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

#[cfg(test)]
pub(crate) mod testing;
