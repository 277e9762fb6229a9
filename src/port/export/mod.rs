//! One unit, program or service for another system, which runs the master with this configuration.
//!
//! Invariants: a path is absolute and quoted as its system reads it, or refused where that has no quotes for it; the
//! environment stays apart from the command; a stop has the time that the pools have.

mod container;
mod crontab;
mod launchd;
mod supervisor;
mod systemd;

use std::path::{Path, PathBuf};
use std::time::Duration;

/// Seconds that a stop has beyond what the pools have.
const SPARE: Duration = Duration::from_secs(10);
/// The folder that belongs to the service, where the database lies in it.
const STATE: &str = "/var/lib/queue-work";

/// A system that runs the master.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// A unit, queue-work.service
    Systemd,
    /// A program of supervisord, queue-work.conf
    Supervisor,
    /// A Dockerfile
    Docker,
    /// A compose.yaml, beside the Dockerfile
    Compose,
    /// A property list of macOS, queue-work.plist
    Launchd,
    /// A line of a crontab, which starts the master with the machine
    Crontab,
}

/// The master that is to run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The program, an absolute path.
    pub program: String,
    /// The configuration, an absolute path; `None`: there is none.
    pub config: Option<String>,
    /// Where it is started, an absolute path.
    pub folder: String,
    pub user: Option<String>,
    pub database: String,
    /// The store is on a server, and the folder of the service has only what belongs to the host.
    pub is_on_server: bool,
    /// The longest that its pools take to end.
    pub longest_stop: Duration,
    /// Variables of the environment that the configuration reads.
    pub variables: Vec<String>,
    /// Processors with their schedules.
    pub processors: Vec<(String, String)>,
}

/// A file that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// Its usual name.
    pub name: &'static str,
    pub text: String,
}

/// Makes the file; the error is a path that the system cannot have.
pub fn export(format: Format, plan: &Plan) -> Result<Made, String> {
    for path in plan.config.iter().chain([&plan.program, &plan.folder]) {
        if path.contains(char::is_control) {
            return Err(format!("{path:?} has a control character in its name; call it otherwise"));
        }
    }
    let (name, text) = match format {
        Format::Systemd => ("queue-work.service", systemd::unit(plan)?),
        Format::Supervisor => ("queue-work.conf", supervisor::program(plan)?),
        Format::Docker => ("Dockerfile", container::dockerfile(plan)),
        Format::Compose => ("compose.yaml", container::compose(plan)),
        Format::Launchd => ("queue-work.plist", launchd::list(plan)),
        Format::Crontab => ("queue-work.crontab", crontab::line(plan)),
    };
    Ok(Made { name, text })
}

impl Plan {
    /// The command that runs the master, with these words behind it.
    pub(super) fn command<'p>(&'p self, more: &[&'p str]) -> Vec<&'p str> {
        let config = self.config.as_deref().map(|config| ["--config", config]);
        let words = [self.program.as_str()].into_iter().chain(config.into_iter().flatten());
        words.chain(more.iter().copied()).collect()
    }

    /// Seconds that a stop may take.
    fn stop_s(&self) -> u64 {
        let all = self.longest_stop.saturating_add(SPARE);
        all.as_secs() + u64::from(all.subsec_nanos() > 0)
    }

    /// Remarks at the top, each with this sign before it.
    fn head(&self, format: &str, sign: &str) -> String {
        let of = self.config.as_ref().map(|config| format!(" of {config}")).unwrap_or_default();
        let mut head = format!(
            "{sign} Written by `queue-work export {format}`{of}. Write it again when a `grace` changes there.\n"
        );
        if !self.variables.is_empty() {
            let names = self.variables.join(", ");
            head.extend([sign, " The configuration reads these variables of the environment: ", &names, "\n"]);
        }
        head
    }

    /// The folder of the database, where it is that of the service.
    fn has_state_folder(&self) -> bool {
        Path::new(&self.database).parent() == Some(Path::new(STATE))
    }
}

/// The folder that a configuration is about: its own, or the one that has it as `config/`; `/` for one of the system.
#[must_use]
pub fn folder_of(config: &Path) -> PathBuf {
    let folder = config.parent().unwrap_or(Path::new("/"));
    let folder = folder.parent().filter(|_| folder.ends_with("config")).unwrap_or(folder);
    if folder.starts_with("/etc") { PathBuf::from("/") } else { folder.to_owned() }
}
