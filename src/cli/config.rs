//! `config`: checks, shows or writes the configuration.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use super::args::control::ConfigVerb;
use super::backend;
use super::context::Context;
use super::output;
use crate::config::{self, Loaded, Shown};
use crate::error::{Code, Error};
use crate::report::tables::{Align, Column, render};
use crate::report::{hint, words};

pub(crate) fn run(context: &Context, verb: &ConfigVerb) -> Result<Code, Error> {
    match verb {
        ConfigVerb::Check => check(context),
        ConfigVerb::Show => show(context),
        ConfigVerb::Init { path } => init(path, context.global.quiet),
    }
}

fn load(context: &Context) -> Result<Loaded, Error> {
    let loaded = backend::load_config(&context.flags)?;
    for warning in &loaded.warnings {
        context.warn(&format!("warning: {warning}"));
    }
    Ok(loaded)
}

fn check(context: &Context) -> Result<Code, Error> {
    let mut loaded = load(context)?;
    if let Some(warning) = backend::check_socket_group(&loaded)? {
        context.warn(&format!("warning: {warning}"));
        loaded.warnings.push(warning);
    }
    let file = loaded.config.file.as_ref().map(|read| read.file.display().to_string());
    let workers: u64 = loaded.config.pools.iter().map(|p| u64::from(p.settings.limits.workers)).sum();
    if context.global.json {
        let warnings: Vec<String> = loaded.warnings.iter().map(ToString::to_string).collect();
        output::json(
            &serde_json::json!({"file": file, "pools": loaded.config.pools.len(), "workers": workers, "warnings": warnings}),
        )?;
        return Ok(Code::DONE);
    }
    let what = file.map_or_else(|| "no configuration file; the defaults are".to_owned(), |f| format!("`{f}` is"));
    let pools = words::count(loaded.config.pools.len() as u64, "pool");
    context.done(&format!("{what} valid: {pools}, {}", words::count(workers, "worker")))?;
    Ok(Code::DONE)
}

fn show(context: &Context) -> Result<Code, Error> {
    let shown = config::show(&load(context)?);
    if context.global.json {
        output::json(&shown)?;
    } else {
        let columns = [Column("key", Align::Left), Column("value", Align::Left), Column("from", Align::Left)];
        let row = |s: Shown| vec![s.key, words::one_line(&s.value, 200), s.origin];
        output::print(&render(&columns, &shown.into_iter().map(row).collect::<Vec<_>>()))?;
    }
    Ok(Code::DONE)
}

fn init(path: &Path, quiet: bool) -> Result<Code, Error> {
    if path == Path::new("-") {
        output::print(config::template())?;
        return Ok(Code::DONE);
    }
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)
        .and_then(|mut file| file.write_all(config::template().as_bytes()));
    match written {
        Ok(()) if quiet => {}
        Ok(()) => {
            // The name that is looked for by itself.
            let option = if path == Path::new("queue-work.toml") {
                String::new()
            } else {
                format!(" --config {}", words::command([&*path.to_string_lossy()]))
            };
            let check = format!("wrote `{}`; check it with `queue-work config check{option}`", path.display());
            output::line(&hint::complete(&check))?;
        }
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
            return Err(Error::Failed(format!("`{}` exists; give another path, or remove it first", path.display())));
        }
        Err(e) => return Err(Error::io(format!("write `{}`", path.display()), e)),
    }
    Ok(Code::DONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn init_writes_a_new_file_and_leaves_an_old_one_alone() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("q.toml");
        assert!(init(&path, true).is_ok());
        std::fs::write(&path, "mine").expect("written");
        assert_eq!(init(&path, true).expect_err("it exists").exit_code(), 1);
        assert_eq!(std::fs::read_to_string(&path).expect("read"), "mine");
        assert_eq!(init(&dir.path().join("no/q.toml"), true).expect_err("no folder").exit_code(), 1);
    }
}
