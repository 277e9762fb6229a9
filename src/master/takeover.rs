//! From the database to a generation of our own: who is master, what is dead, what it held.
//!
//! Invariant: nothing of an earlier generation is given back before all that it started is proven dead.

use std::path::Path;
use std::time::Duration;

use super::startup::Failure;
use super::{clients, wall};
use crate::model::{Mono, UnixMicros};
use crate::process::cgroup::{self, Group};
use crate::process::identity::Identity;
use crate::process::sweep;
use crate::store::{self, Member, Membership, Store};

/// How long the processes of dead generations may take to die.
const PROOF: Duration = Duration::from_secs(10);

/// Whether a master on record is still there, on this machine.
pub(super) fn lives(master: &store::Master) -> bool {
    let identity = Identity { pid: master.pid, start: master.pid_start, boot_id: master.boot_id.clone() };
    identity.is_alive() && identity.stays_alive()
}

/// Begins a generation, unless the socket is that of another store's master: before anything is changed.
pub(super) fn begin(
    store: &mut dyn Store,
    socket: &Path,
    us: &store::Master,
    at: UnixMicros,
) -> Result<Membership, Failure> {
    if let Some(pid) = clients::occupant_for_good(socket) {
        return Err(Failure::SocketInUse { path: socket.to_owned(), pid });
    }
    Ok(store.join(us, at)?)
}

/// Proves that nothing of the generations that died lives, then gives back what they held. All of them, not just the
/// last: that may have died before it had proven anything about the one before.
pub(super) fn recover(store: &mut dyn Store, now: Mono, guardian: Option<u32>) -> Result<u64, Failure> {
    let dead = store.dead(now)?;
    if dead.is_empty() {
        return Ok(0);
    }
    let cookies: Vec<String> = dead.iter().filter_map(started_by).collect();
    // Not where one of them has started us: the others of it carry its sign.
    let groups = cgroup::left_by(cookies.iter().map(String::as_str));
    let groups: Vec<Group> = groups.into_iter().filter(|group| !group.has_us()).collect();
    let selector = sweep::Selector {
        wanted: sweep::Wanted::Instances(cookies),
        kin: sweep::Kin { groups: groups.clone(), roots: Vec::new() },
        exempt: guardian.into_iter().collect(),
    };
    failpoint!("recovery.before_kill");
    let swept = sweep::kill_all(&selector, PROOF);
    failpoint!("recovery.killed");
    if !swept.left.is_empty() {
        return Err(Failure::Survivors(swept.left));
    }
    groups.iter().for_each(Group::remove);
    let mut released = 0;
    for member in dead {
        released += store.recover(member.generation, wall())?.released;
    }
    Ok(released)
}

/// The mark of what a member has started; none where this is a copy of the store on which it runs.
fn started_by(member: &Member) -> Option<String> {
    Some(member.master.cookie.clone()).filter(|cookie| !cookie.is_empty())
}
