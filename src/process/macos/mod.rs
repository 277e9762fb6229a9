//! macOS: kqueue, waitid, and what `sysinfo` reads with `proc_pidinfo` and `KERN_PROCARGS2`. Compiled and checked, never run.

pub(super) mod account;
pub(crate) mod clock;
pub(crate) mod file_facts;
pub(super) mod handle;
pub(super) mod image;
pub mod machine;
pub mod mark;
pub(crate) mod memory_file;
pub(crate) mod packets;
mod processes;
pub(super) mod scan;
pub(crate) mod sockets;
pub(super) mod stat;
pub(super) mod wait;
pub(crate) mod watch;
