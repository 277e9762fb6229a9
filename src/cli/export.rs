//! `export`: makes a unit for a service manager that runs the master with this configuration.

use std::path::{Component, Path, PathBuf};

use super::args::port::ExportArgs;
use super::backend;
use super::context::Context;
use super::{new_file, output};
use crate::error::{Code, Error};
use crate::model::store_url::StoreUrl;
use crate::port::{self, Plan};

pub(crate) fn run(context: &Context, args: &ExportArgs) -> Result<Code, Error> {
    let made = port::export(args.format, &plan(context, args)?).map_err(Error::Failed)?;
    match &args.output {
        Some(folder) => {
            let file = folder.join(made.name);
            new_file::write(&file, &made.text, args.force)?;
            context.done(&format!("wrote `{}`", file.display()))?;
        }
        None => output::print(&made.text)?,
    }
    Ok(Code::DONE)
}

fn plan(context: &Context, args: &ExportArgs) -> Result<Plan, Error> {
    let loaded = backend::load_config(&context.flags)?;
    let program = std::env::current_exe().map_err(|e| Error::io("find the path of this program", e))?;
    let here = std::env::current_dir().map_err(|e| Error::io("find the current folder", e))?;
    let config = loaded.config.file.as_ref().map(|read| plain(&read.file)).transpose()?;
    let config = config.as_deref();
    let folder = config.map_or(here, port::folder_of);
    let variables = match config {
        Some(file) => std::fs::read_to_string(file).map_err(|e| Error::io(format!("read `{}`", file.display()), e))?,
        None => String::new(),
    };
    let own = backend::user();
    Ok(Plan {
        program: text(&program)?,
        config: config.map(text).transpose()?,
        folder: text(&folder)?,
        user: args.user.clone().or(Some(own)).filter(|user| user != "root"),
        database: loaded.config.database.to_string(),
        is_on_server: matches!(loaded.config.database, StoreUrl::Postgres(_)),
        longest_stop: loaded.config.longest_stop().map(|(longest, _)| longest).unwrap_or_default(),
        variables: port::variables_in(&variables).into_iter().collect(),
        processors: loaded.config.processors.iter().map(|one| (one.name.to_string(), one.schedule.clone())).collect(),
    })
}

/// A path without `..`, which systemd refuses; links stay as they are where there is none.
fn plain(path: &Path) -> Result<PathBuf, Error> {
    if !path.components().any(|part| part == Component::ParentDir) {
        return Ok(path.components().collect());
    }
    path.canonicalize().map_err(|e| Error::io(format!("find the path of `{}`", path.display()), e))
}

fn text(path: &Path) -> Result<String, Error> {
    let text =
        path.to_str().ok_or_else(|| Error::Failed(format!("the path `{}` is not valid UTF-8", path.display())))?;
    Ok(text.to_owned())
}
