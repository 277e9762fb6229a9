//! `import`: makes a configuration of the files of another system.
//!
//! Invariant: nothing is written before all of it is known, and no file is replaced that was not to be.

use std::fs;
use std::io::{self, Read as _};
use std::path::Path;
use std::process::{Command, Stdio};

use super::args::port::ImportArgs;
use super::context::Context;
use super::{new_file, output};
use crate::error::{Code, Error};
use crate::port::{self, Source, Surroundings};

pub(crate) fn run(context: &Context, args: &ImportArgs) -> Result<Code, Error> {
    let sources = args.files.iter().map(|file| read(file, args.run_js)).collect::<Result<Vec<_>, _>>()?;
    let here = std::env::current_dir().map_err(|e| Error::io("find the current folder", e))?;
    let folder = args.output.as_deref().and_then(Path::parent).map_or_else(|| here.clone(), |folder| here.join(folder));
    let around = Surroundings { folder: &folder, is_root: nix::unistd::Uid::effective().is_root() };
    let imported = port::import(args.system, &sources, around).map_err(|broken| Error::Config(broken.to_string()))?;
    match &args.output {
        Some(file) => new_file::write(file, &imported.toml, args.force)?,
        None if context.global.json => output::json(&imported)?,
        None => output::print(&imported.toml)?,
    }
    context.warn(&imported.summary());
    Ok(if args.check && !imported.lost.is_empty() { Code(1) } else { Code::DONE })
}

fn read(file: &Path, runs_js: bool) -> Result<Source, Error> {
    let wrong = |e| Error::io(format!("read `{}`", file.display()), e);
    let is_stdin = file == Path::new("-");
    let mut bytes = Vec::new();
    if is_stdin {
        io::stdin().lock().read_to_end(&mut bytes).map_err(wrong)?;
    } else if is_js(file) {
        bytes = run_js(file, runs_js)?;
    } else {
        bytes = fs::read(file).map_err(wrong)?;
    }
    let text = String::from_utf8(bytes).map_err(|e| {
        let line = memchr::memchr_iter(b'\n', &e.as_bytes()[..e.utf8_error().valid_up_to()]).count() + 1;
        Error::Config(format!("{}:{line}: this line is not valid UTF-8", file.display()))
    })?;
    let name = if is_stdin { "standard input".to_owned() } else { file.display().to_string() };
    Ok(Source { name, text })
}

fn is_js(file: &Path) -> bool {
    file.extension().is_some_and(|ending| ending == "js" || ending == "cjs" || ending == "mjs")
}

/// What a program exports, as JSON.
fn run_js(file: &Path, may_run: bool) -> Result<Vec<u8>, Error> {
    let name = file.display();
    if !may_run {
        let next = "`--run-js` lets node run it, if you trust it";
        return Err(Error::Usage(format!("`{name}` is a program; {next}")));
    }
    let path = file.canonicalize().map_err(|e| Error::io(format!("read `{name}`"), e))?;
    let mut node = Command::new("node");
    node.args(["-p", "JSON.stringify(require(process.argv[1]))"]).arg(path).stderr(Stdio::inherit());
    let out = node.output().map_err(|e| Error::io("run `node`", e))?;
    if out.status.success() { Ok(out.stdout) } else { Err(Error::Failed(format!("`{name}` failed: {}", out.status))) }
}
