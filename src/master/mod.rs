//! The shell around the core: loop, pipes, sockets, threads.

pub mod logs;
pub mod sampler;
