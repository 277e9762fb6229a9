//! `spawn`: adds a pool to the running master.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::args::services::SpawnArgs;
use super::context::{self, Context};
use super::output;
use crate::error::{Code, Error};
use crate::model::listen::Address;
use crate::model::{OsText, PoolKind};
use crate::report::words;
use crate::wire::control::{Scaled, SpawnPool, SpawnService};

/// The interpreter of a file that names none itself, by its ending.
const INTERPRETERS: [(&str, &str); 7] =
    [("py", "python3"), ("js", "node"), ("mjs", "node"), ("rb", "ruby"), ("php", "php"), ("pl", "perl"), ("sh", "sh")];
/// The longest `#!` line that the kernel reads.
const LONGEST_HEAD: u64 = 256;

pub(crate) fn run(context: &Context, args: &SpawnArgs) -> Result<Code, Error> {
    let params = match &args.file {
        Some(file) => service(args, file)?,
        None => params(args)?,
    };
    let scaled: Scaled = context.connect()?.call("spawn", &params)?;
    if context.global.json {
        output::json(&scaled)?;
    } else {
        for pool in &scaled.pools {
            let workers = words::count(u64::from(pool.wanted), "worker");
            context.done(&format!("added pool `{}` of {workers}: {} ready", pool.pool, pool.ready))?;
        }
    }
    Ok(Code::DONE)
}

fn params(args: &SpawnArgs) -> Result<SpawnPool, Error> {
    let kind = PoolKind::of_flags(args.exec, args.opaque);
    // A relative program is looked for here, not where the master was started.
    let has_command = !args.command.is_empty();
    Ok(SpawnPool {
        pool: args.pool.clone(),
        queues: args.queue.clone(),
        workers: args.workers,
        command: has_command.then(|| args.command.iter().map(OsText::from).collect()),
        kind: kind.map(|k| k.as_str().to_owned()),
        cwd: if has_command { Some(context::here()?) } else { None },
        no_wait: args.wait.no_wait,
        service: None,
    })
}

/// A service of this file.
fn service(args: &SpawnArgs, file: &Path) -> Result<SpawnPool, Error> {
    let here = context::here()?;
    let folder = here.clone().into_os_string();
    let address = |text: &String| Address::read(text).map(|address| address.below(Path::new(&folder)).to_string());
    let listen = args.listen.iter().map(address).collect::<Result<_, _>>().map_err(Error::Usage)?;
    let init = args.init.as_deref().map(serde_json::from_str).transpose();
    let init = init.map_err(|error| Error::Usage(format!("`--init` is not JSON: {error}")))?;
    let stem = file.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    Ok(SpawnPool {
        pool: args.pool.clone().or(stem),
        queues: Vec::new(),
        workers: args.workers,
        command: Some(command(file)?.iter().map(OsText::from).collect()),
        kind: Some(PoolKind::Service.as_str().to_owned()),
        cwd: Some(here),
        no_wait: args.wait.no_wait,
        service: Some(SpawnService { listen, strategy: args.strategy.clone(), init, version: args.version.clone() }),
    })
}

/// The words that run a file: by its `#!` line, else by its ending.
fn command(file: &Path) -> Result<Vec<std::ffi::OsString>, Error> {
    let shown = file.display();
    let path = std::path::absolute(file).map_err(|error| Error::io(format!("find `{shown}`"), error))?;
    let mut head = Vec::new();
    let read = File::open(&path).and_then(|file| file.take(LONGEST_HEAD).read_to_end(&mut head));
    match read {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(Error::Usage(format!("there is no file `{shown}`")));
        }
        read => drop(read.map_err(|error| Error::io(format!("read `{shown}`"), error))?),
    }
    let line = head.strip_prefix(b"#!").and_then(|rest| rest.split(|byte| *byte == b'\n').next());
    if let Some(line) = line {
        let words = String::from_utf8_lossy(line);
        return Ok(words.split_whitespace().map(Into::into).chain([path.into_os_string()]).collect());
    }
    let ending = path.extension().and_then(OsStr::to_str).unwrap_or_default();
    let known = INTERPRETERS.iter().find(|(known, _)| *known == ending);
    let Some((_, interpreter)) = known else {
        return Err(Error::Usage(format!(
            "`{shown}` has no `#!` line, and its ending does not say what runs it; add such a line"
        )));
    };
    Ok(vec![(*interpreter).into(), path.into_os_string()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_run_by_its_first_line_or_by_its_ending() {
        let folder = tempfile::tempdir().unwrap();
        let run = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            let words = command(&path).map_err(|error| error.to_string())?;
            let (last, first) = words.split_last().unwrap();
            assert_eq!(Path::new(last), path);
            Ok::<_, String>(first.iter().map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>())
        };
        assert_eq!(run("a.py", "print()"), Ok(vec!["python3".to_owned()]));
        assert_eq!(run("b.py", "#! /usr/bin/env python3\nprint()"), Ok(vec!["/usr/bin/env".into(), "python3".into()]));
        assert_eq!(run("c.mjs", ""), Ok(vec!["node".to_owned()]));
        assert!(run("d.txt", "x").unwrap_err().contains("has no `#!` line"));
        let missing = command(Path::new("missing.py")).unwrap_err();
        assert_eq!((missing.to_string().as_str(), missing.exit_code()), ("there is no file `missing.py`", 2));
    }
}
