//! The options of `import` and `export`.

use std::path::PathBuf;

use clap::Args;

use crate::port::{Format, System};

/// Make a configuration of the files of another system.
///
/// The configuration is printed, or written to a file. Each key is taken over, changed (a comment says how), or not possible (a comment says
/// why, and what to do); how many there are of each is said on stderr. The result behaves as the other system does; where a
/// better way is usual here, a comment says so. Files that go together are named together: supervisord.conf and conf.d/*.conf,
/// Procfile and .env, a .service and its .timer.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = "\
Examples:
  queue-work import supervisor /etc/supervisor/supervisord.conf
  queue-work import systemd mail.service report.service report.timer -o queue-work.toml
  crontab -l | queue-work import crontab -  read from stdin
  queue-work import procfile Procfile .env --check")]
pub(crate) struct ImportArgs {
    /// The system that the files come from
    #[arg(value_name = "SYSTEM")]
    pub(crate) system: System,
    /// Files of that system; `-` is stdin
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Write the configuration to this file, if it is not there [default: stdout]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Write it also where that file is there
    #[arg(long, requires = "output")]
    pub(crate) force: bool,
    /// Let node run a file of pm2 that is JavaScript: it is a program, and may do anything
    #[arg(long)]
    pub(crate) run_js: bool,
    /// Exit with 1 where a key is not possible
    #[arg(long)]
    pub(crate) check: bool,
}

/// Make a unit for a service manager that runs the master.
///
/// The unit runs one master with the configuration of this folder, or of `--config`, and gives a stop as long as the pools have by
/// their `grace` and `kill_after`. Paths are absolute: that of this program, and that of the folder of the configuration.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = "\
Examples:
  queue-work export systemd --user app -o /etc/systemd/system
  queue-work export supervisor --config /srv/app/queue-work.toml
  queue-work export docker -o .             then `export compose -o .`
  queue-work export crontab")]
pub(crate) struct ExportArgs {
    /// The system that is to run the master
    #[arg(value_name = "FORMAT")]
    pub(crate) format: Format,
    /// User that the master runs as [default: who runs this]
    #[arg(long, value_name = "USER")]
    pub(crate) user: Option<String>,
    /// Write the file into this folder, under its usual name [default: stdout]
    #[arg(short, long, value_name = "DIR")]
    pub(crate) output: Option<PathBuf>,
    /// Write it also where that file is there
    #[arg(long, requires = "output")]
    pub(crate) force: bool,
}
