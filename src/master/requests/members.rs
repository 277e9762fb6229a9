//! Members of the group of the socket: what they may ask for.
//!
//! Invariant: a member adds jobs and reads; whatever changes workers, pools, queues or jobs is the owner's, and so is a
//! command, which would run as the user of the master.

use super::{Peer, Question, Refused};
use crate::master::Master;
use crate::model::{EXEC, NewJob};

impl Master {
    /// Why this is not done for this peer; `None`: it may ask for it.
    pub(super) fn refusal_of_member(&self, peer: Peer, question: &Question) -> Option<Refused> {
        let Peer::Client(client) = peer else { return None };
        let (group, owner) = (&self.clients.member(client)?.group, self.clients.owner());
        let text = match question {
            Question::Push(push) | Question::PushMany { push, .. } if push.all().any(is_command) => {
                command(group, owner)
            }
            Question::AddToBulk { jobs, .. } if jobs.iter().any(is_command) => command(group, owner),
            Question::CommitBulk { batch, .. } if batch.followers().any(is_command) => command(group, owner),
            Question::Ping
            | Question::Status
            | Question::Metrics
            | Question::Autoscale
            | Question::Push(_)
            | Question::PushMany { .. }
            | Question::BeginBulk
            | Question::AddToBulk { .. }
            | Question::CommitBulk { .. }
            | Question::DropBulk(_)
            | Question::WaitForJob(_)
            | Question::Operations
            | Question::LookAtProcessors(_)
            | Question::Look(_)
            | Question::Follow(_)
            | Question::LogWritten
            | Question::FollowEvents(_)
            | Question::Leaks => return None,
            Question::Scale(_)
            | Question::Spawn(_)
            | Question::Work(_)
            | Question::Restart(_)
            | Question::Stop(_)
            | Question::Reload(_)
            | Question::Pause { .. }
            | Question::SetQueue(_)
            | Question::NoteFailure(_)
            | Question::SwitchProcessors(_)
            | Question::RunProcessor { .. }
            | Question::BeginRun(_)
            | Question::EndRun(_)
            | Question::ChangeJobs { .. }
            | Question::Debug(_)
            | Question::StopOperation(_) => format!(
                "only `{owner}`, whose master this is, and root may do this; members of the group `{group}` add jobs and look"
            ),
        };
        Some(Refused::Failed(5, text))
    }
}

fn is_command(job: &NewJob) -> bool {
    &*job.kind == EXEC
}

fn command(group: &str, owner: &str) -> String {
    format!(
        "a command would run as `{owner}`, so only `{owner}` and root may push one; members of the group `{group}` push \
         jobs of a type that a worker program takes: `queue-work push TYPE [JSON]`"
    )
}
