//! `start`, or no verb: runs the master in the foreground.

use super::args::LogFormat;
use super::backend;
use super::context::Context;
use crate::clock;
use crate::error::{Code, Error};
use crate::report::Printer;
use crate::report::events::Level;

pub(crate) fn run(context: &Context) -> Result<Code, Error> {
    let loaded = backend::load_config(&context.flags)?;
    let global = &context.global;
    let json = global.log_format == LogFormat::Json;
    let printer = Printer::new(global.verbose, global.quiet, json, loaded.config.drain);
    for warning in &loaded.warnings {
        printer.warning(&warning.to_string(), clock::wall());
    }
    if loaded.config.makes_folder {
        backend::make_folder_of(&loaded.config.database)?;
    }
    backend::run_master(loaded.config, printer, Level::shown(global.verbose, global.quiet))
}
