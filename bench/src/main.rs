//! queue-work side by side with its peers: one command, one table.
//!
//! `scripts/bench` builds what is needed and runs this. Each case runs some times, each time in an empty folder, with the
//! real binary; within one repetition our run and the peers' come one after the other, so that what else the machine
//! does hits all of them. A figure is the median. Durability is `full` and every run is recorded, in all cases; the
//! clock of a drain ends when the last completion is committed and synced (see `ours`).
//!
//! This program is also the client of the peers, and, started by itself with `--role`, a worker of either side or a peer
//! of its own: the least that could be done (see `least`).

mod beanstalk;
mod cases;
mod clock;
mod figures;
mod fill;
mod least;
mod machine;
mod ours;
mod page;
mod postgres;
mod postgres_peers;
mod proc;
mod pushers;
mod report;
mod roles;
mod setting;

use std::error::Error;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;

use cases::Case;
use clock::{now_ns, seconds_since};
use figures::Samples;
use machine::Machine;
use report::CaseResult;
use setting::{Setting, Tools};

/// Whatever goes wrong ends the case, and is printed with its name.
type Outcome<T> = Result<T, Box<dyn Error>>;

/// Runs queue-work side by side with its peers and prints a table.
#[derive(Debug, Parser)]
#[command(name = "scripts/bench")]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
struct Args {
    /// Run only this case; may be given several times
    #[arg(long = "case", value_name = "NAME")]
    cases: Vec<String>,
    /// List the cases and end
    #[arg(long)]
    list: bool,
    /// Run each case once, with few jobs: only to see that it works
    #[arg(long, conflicts_with = "long")]
    quick: bool,
    /// Ten million jobs and runs where a million is the default
    #[arg(long)]
    long: bool,
    /// How often each case is run [default: 3; with --quick 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=99))]
    runs: Option<u32>,
    /// Write the table as Markdown
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Write all samples as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Where the databases are while it runs: on a disk, not in memory [default: target/bench]
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
    /// Keep the databases
    #[arg(long)]
    keep: bool,
    /// Install the peers on PostgreSQL by npm and pip into a folder beside the programs, and end
    #[arg(long)]
    install_peers: bool,
}

impl Args {
    fn runs(&self) -> u32 {
        self.runs.unwrap_or(if self.quick { 1 } else { 3 })
    }

    /// For people who read the table later.
    fn size(&self) -> String {
        let size = match (self.quick, self.long) {
            (true, _) => "hardly any jobs: these figures say nothing about speed",
            (false, true) => "millions are ten",
            (false, false) => "millions are one",
        };
        format!("medians of {} (lowest … highest); {size}", self.runs())
    }
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let result = match words.split_first() {
        Some((first, role)) if first == roles::ROLE => roles::run(role).map(|()| true),
        _ => run(&Args::parse()),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("scripts/bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// False: a case failed. A target that is missed is no failure.
fn run(args: &Args) -> Outcome<bool> {
    if args.list {
        for case in cases::ALL {
            println!("{:<16} {}", case.name, case.about);
        }
        return Ok(true);
    }
    let chosen = choose(&args.cases)?;
    let tools = Tools::find()?;
    if args.install_peers {
        return postgres_peers::install(&tools).map(|()| true);
    }
    let parent = args.dir.clone().unwrap_or_else(|| tools.own_target().join("bench"));
    fs::create_dir_all(&parent)?;
    // A server that runs as another user finds its files in it.
    let readable = fs::Permissions::from_mode(0o755);
    let folder = tempfile::Builder::new().prefix("run-").permissions(readable).tempdir_in(&parent)?;
    let machine = Machine::look(folder.path(), &tools)?;
    let head = format!("{}{}\n", machine.text(), args.size());
    print!("{head}");
    let results: Vec<CaseResult> = chosen.into_iter().map(|case| repeat(case, args, folder.path(), &tools)).collect();
    let (table, left_out) = (report::table(&results), report::left_out(&results));
    println!("\n{table}\n{left_out}");
    if let Some(path) = &args.markdown {
        fs::write(path, format!("{head}\n{table}\n{left_out}"))?;
    }
    if let Some(path) = &args.json {
        fs::write(path, serde_json::to_vec_pretty(&report::json(&machine, &args.size(), &results))?)?;
    }
    if args.keep {
        println!("the databases are in {}", folder.keep().display());
    }
    Ok(results.iter().all(|result| result.failed.is_none()))
}

fn choose(names: &[String]) -> Outcome<Vec<&'static Case>> {
    if names.is_empty() {
        return Ok(cases::ALL.to_vec());
    }
    let find = |name: &String| {
        let case = cases::ALL.iter().copied().find(|case| case.name == name);
        case.ok_or_else(|| format!("there is no case `{name}`; see `scripts/bench --list`").into())
    };
    names.iter().map(find).collect()
}

/// Runs a case as often as asked for. One that fails is not run again.
fn repeat(case: &'static Case, args: &Args, folder: &Path, tools: &Tools) -> CaseResult {
    let start = now_ns();
    let mut result = CaseResult { case, samples: Samples::default(), failed: None };
    for repetition in 0..args.runs() as usize {
        if let Err(error) = once(case, args, repetition, folder, tools, &mut result.samples) {
            result.failed = Some(error.to_string());
            break;
        }
    }
    let how = result.failed.as_ref().map_or_else(|| "done".to_owned(), |why| format!("FAILED: {why}"));
    eprintln!("{:<16} {how} in {:.0} s", case.name, seconds_since(start));
    if !args.keep {
        drop(fs::remove_dir_all(folder.join(case.name)));
    }
    result
}

fn once(
    case: &Case,
    args: &Args,
    repetition: usize,
    folder: &Path,
    tools: &Tools,
    samples: &mut Samples,
) -> Outcome<()> {
    let shared = folder.join(case.name);
    let dir = shared.join((repetition + 1).to_string());
    fs::create_dir_all(&dir)?;
    let setting = Setting { quick: args.quick, long: args.long, repetition, dir, shared, tools };
    (case.once)(&setting, samples)?;
    if !args.keep {
        fs::remove_dir_all(&setting.dir)?;
    }
    Ok(())
}
