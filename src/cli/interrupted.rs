//! Ctrl-C, SIGTERM and SIGHUP while the master does what was asked for: the command ends, the deed goes on, and what is
//! true of it is asked of the master and said.
//!
//! Invariant: a signal that was ignored at the start stays so.

use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

use super::{output, reach};
use crate::client::{Client, ClientError, NONE, Patience};
use crate::config::Paths;
use crate::error::Error;
use crate::model::{JobId, JobRecord, JobState};
use crate::process::inherited::Ignored;
use crate::report::Status;
use crate::wire::control::OneJob;

/// How long a master may take to say what is true.
const PATIENCE: Duration = Duration::from_millis(500);

const ENDED: &str = "the master has ended";

/// A deed of the master that a command waits for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Awaited {
    /// The end of a job.
    Job(JobId),
    /// The end of the master.
    Stop,
    /// Something at other hosts.
    Hosts,
    /// Anything else, in words: `scaling`.
    Other(&'static str),
}

impl Awaited {
    /// Says from now on what is true when one of the signals comes, and ends as it would have ended.
    pub(crate) fn tell_when_interrupted(self, paths: &Paths) {
        let ignored = Ignored::of_this_process();
        let Ok(mut signals) = Signals::new([SIGINT, SIGTERM, SIGHUP].into_iter().filter(|&s| !ignored.has(s))) else {
            return;
        };
        let paths = paths.clone();
        std::thread::spawn(move || {
            for signal in signals.forever() {
                output::say(&self.truth(reach::master_if_any(&paths, Patience::Limited(PATIENCE))));
                let _ = emulate_default_handler(signal);
            }
        });
    }

    /// The connection that waits is still open: the master has not given up on it.
    fn truth(self, master: Result<Option<Client>, Error>) -> String {
        let state = match (self, master) {
            (Self::Hosts, _) => return "a host that has begun with it goes on; see `queue-work status`".to_owned(),
            (Self::Job(id), master) => return job(id, state_of(id, master)),
            (_, Ok(Some(mut client))) => match client.call::<Status>("status", &NONE) {
                Ok(status) => status.master.map(|master| master.state),
                Err(ClientError::Closed | ClientError::Unheard) => return ENDED.to_owned(),
                Err(_) => None,
            },
            (_, Ok(None)) => return ENDED.to_owned(),
            (_, Err(_)) => None,
        };
        match (self, state.as_deref()) {
            (Self::Stop, Some("draining" | "stopping")) => goes_on("stopping"),
            (Self::Other(doing), Some(_)) => goes_on(doing),
            _ => "it is unknown whether the master has heard of it; see `queue-work status`".to_owned(),
        }
    }
}

fn goes_on(doing: &str) -> String {
    format!("the master goes on {doing}; see `queue-work status`")
}

fn state_of(id: JobId, master: Result<Option<Client>, Error>) -> Option<JobState> {
    let mut client = master.ok().flatten()?;
    client.call::<JobRecord>("jobs.show", &OneJob { id, timeout_s: None }).ok().map(|job| job.state)
}

fn job(id: JobId, state: Option<JobState>) -> String {
    let does = match state {
        Some(JobState::Running) => "goes on",
        Some(JobState::Ready) => "waits in its queue",
        Some(JobState::Blocked) => "waits for other jobs",
        Some(JobState::Scheduled) => "waits until it is due",
        Some(JobState::Succeeded | JobState::Dead | JobState::Cancelled) => {
            return format!("job {id} has ended; see `queue-work jobs show {id}`");
        }
        None => "is on record",
    };
    format!("job {id} {does}; wait for it with `queue-work jobs wait {id}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_a_job_is_what_it_does() {
        for (state, said) in [
            (Some(JobState::Running), "job 7 goes on; wait for it with `queue-work jobs wait 7`"),
            (Some(JobState::Ready), "job 7 waits in its queue; wait for it with `queue-work jobs wait 7`"),
            (Some(JobState::Dead), "job 7 has ended; see `queue-work jobs show 7`"),
            (None, "job 7 is on record; wait for it with `queue-work jobs wait 7`"),
        ] {
            assert_eq!(job(JobId(7), state), said);
        }
    }
}
