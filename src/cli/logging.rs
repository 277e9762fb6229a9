//! The diagnostics of the program itself (the `log` macros), on stderr. What people are to know comes as events.

use std::io::Write;

use env_logger::{Builder, WriteStyle};
use log::LevelFilter;

use super::args::{Global, LogFormat};
use crate::clock;
use crate::report::events;

/// Overrides the level, as `env_logger` reads it: `debug`, `queue_work::store=trace` …
const VARIABLE: &str = "QUEUE_WORK_LOG";

/// Sets up the logger: nothing with `-q`, warnings by default, all of our own with `-vv`. Of the libraries, which report
/// every routine step, warnings and worse.
pub(super) fn init(global: &Global) {
    let level = match (global.quiet, global.verbose) {
        (true, _) => LevelFilter::Off,
        (false, 0) => LevelFilter::Warn,
        (false, 1) => LevelFilter::Info,
        (false, 2..) => LevelFilter::Debug,
    };
    let mut builder = Builder::new();
    builder
        .filter_level(level.min(LevelFilter::Warn))
        .filter_module("queue_work", level)
        .parse_env(VARIABLE)
        .write_style(WriteStyle::Auto);
    if global.log_format == LogFormat::Json {
        builder.format(|out, record| {
            let (level, text) = (record.level().as_str().to_lowercase(), record.args().to_string());
            let line = events::diagnostic(&level, record.target(), text, clock::wall());
            writeln!(out, "{line}")
        });
    }
    // A logger that is there already stands.
    let _ = builder.try_init();
}
