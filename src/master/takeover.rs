//! From the database to a generation of our own: who is master, what is dead, what it held.
//!
//! Invariant: nothing of an earlier generation is given back before all that it started is proven dead.

use std::path::Path;
use std::time::Duration;

use super::startup::Failure;
use super::{clients, wall};
use crate::config::Config;
use crate::model::UnixMicros;
use crate::process::cgroup::{self, Group};
use crate::process::identity::Identity;
use crate::process::lock::LockError;
use crate::process::sweep;
use crate::store::sqlite::{SqliteRecords, SqliteStore};
use crate::store::{self, Records, Start, Store, StoreError};

/// How long the processes of dead generations may take to die.
const PROOF: Duration = Duration::from_secs(10);

/// The locks say that nobody else runs, but a master of an older version takes one only, whose file can be deleted: who
/// began the last generation must be dead. Unless this is a copy: then it runs on the original, and nothing of it is ours.
pub(super) fn begin(
    Config { database, socket, .. }: &Config,
    us: &store::Master,
    at: UnixMicros,
) -> Result<(SqliteStore, Start), Failure> {
    let mut store = SqliteStore::open_as_master(database, &mut |guests| {
        log::warn!("waiting until others have written to `{}`: processes {guests:?}", database.display());
    })
    .map_err(|refused| held_since(database, refused))?;
    store.check()?;
    let is_copy = store.is_copy()?;
    let mut of_original = Vec::new();
    for (master, started_at) in store.unended()? {
        let identity = Identity { pid: master.pid, start: master.pid_start, boot_id: master.boot_id };
        if !identity.is_alive() || !identity.stays_alive() {
            continue;
        }
        if !is_copy {
            return Err(Failure::Held(LockError::Held { pid: master.pid, started_at }));
        }
        of_original.push(master.cookie);
    }
    // Before anything is changed: the socket may be that of another store's master.
    if let Some(pid) = clients::occupant_for_good(socket) {
        return Err(Failure::SocketInUse { path: socket.clone(), pid });
    }
    if is_copy {
        store.renew(&of_original)?;
    }
    let begun = store.begin(us, at)?;
    Ok((store, begun))
}

/// When the master that holds the store began, which is on record where it calls the database what we call it.
fn held_since(database: &Path, refused: StoreError) -> Failure {
    let StoreError::Held { pid: Some(pid), is_master: true, path, name } = &refused else { return refused.into() };
    match SqliteRecords::open(database).and_then(|mut records| records.last_master()) {
        Ok(Some(last)) if path == name && last.master.pid == *pid && last.ended_at.is_none() => {
            Failure::Held(LockError::Held { pid: *pid, started_at: last.started_at })
        }
        _ => refused.into(),
    }
}

/// Proves that nothing of the generations that died lives, then gives back what they held. All of them, not just the
/// last: that may have died before it had proven anything about the one before.
pub(super) fn recover(store: &mut SqliteStore, begun: &Start, guardian: Option<u32>) -> Result<u64, Failure> {
    if begun.crashed.is_empty() {
        return Ok(0);
    }
    let cookies: Vec<String> = begun.crashed.iter().filter_map(started_by).collect();
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
    Ok(store.recover(wall())?.released)
}

/// The mark of what a master has started; none where this is a copy of the store on which it runs.
fn started_by(master: &store::Master) -> Option<String> {
    Some(master.cookie.clone()).filter(|cookie| !cookie.is_empty())
}
