//! By the name of the program when it was first asked for: one that is replaced later starts as the new version.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

pub(in crate::process) fn path() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| std::env::current_exe().unwrap_or_else(|_| crate::process::image::name().into()))
}

/// A process has the name of its file here.
pub const fn take_name() {}
