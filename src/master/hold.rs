//! The hold on the store: the lock, whether the store is still ours, and whether others change it.

use std::os::fd::AsRawFd;
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};

use crate::clock;
use crate::model::Mono;
use crate::report::words::bytes;
use crate::store::{Changes, Lock, StoreError};

/// Time after the last worker has left, after which a master gives up waiting for a store that cannot be written.
const STUCK_AFTER: Duration = Duration::from_secs(5);

/// The hold; it ends with this value.
#[derive(Debug)]
pub(super) struct Hold {
    /// Tells when others may have changed the store.
    changes: Changes,
    /// Another generation has begun, or the store is gone: nothing may be written any more.
    lost: Option<StoreError>,
    /// Why this master is to begin anew instead of ending.
    anew: Option<String>,
    /// When a store that does not take the end is no longer waited for; set when everybody has left.
    give_up_at: Option<Mono>,
    _lock: Lock,
}

impl Hold {
    /// Has changes by others watched; `token` names them.
    pub(super) fn new(lock: Lock, mut changes: Changes, registry: &Registry, token: Token) -> Self {
        if let Some(descriptor) = changes.descriptor().map(|fd| fd.as_raw_fd())
            && let Err(error) = registry.register(&mut SourceFd(&descriptor), token, Interest::READABLE)
        {
            log::debug!("the store has to be looked at every second: {error}");
            changes.give_up();
        }
        Self { changes, lost: None, anew: None, give_up_at: None, _lock: lock }
    }

    /// Until when there may be workers, if others may take over from this master.
    pub(super) fn lease_until(&self) -> Option<u64> {
        self.changes.lease_until()
    }

    /// Whether others may soon take over what this master runs; see [`Changes::is_cut_off`].
    pub(super) fn is_cut_off(&self) -> bool {
        self.changes.is_cut_off()
    }

    /// Whether there may be no workers: others may have given their jobs to theirs.
    fn is_lease_over(&self) -> bool {
        self.lease_until().is_some_and(|until| clock::boot_micros() >= until)
    }

    /// Takes in what the kernel tells of changes.
    pub(super) fn hear(&mut self) {
        self.changes.hear();
    }

    /// Whether others may have changed the store since the last call.
    pub(super) fn has_news(&mut self) -> bool {
        self.changes.has_news()
    }

    /// The trouble with the log of the store, if it grows: only people can end the program that is the reason.
    pub(super) fn trouble_with_log(&mut self) -> Option<String> {
        self.changes.oversized_log().map(|size| {
            format!(
                "the write-ahead log of the database has grown to {}: another program seems to read the database and \
                 not to end its transaction; end it",
                bytes(size)
            )
        })
    }

    /// The store is not ours any more, or not where it was.
    pub(super) fn lose(&mut self, error: StoreError) {
        let silent = "others have taken over from this master, which had said nothing for its lease; it begins anew";
        self.anew = match &error {
            StoreError::Superseded(_) if self.is_lease_over() => Some(silent.to_owned()),
            StoreError::WentBack { .. } => Some(error.to_string()),
            _ => None,
        };
        self.lost = Some(error);
    }

    pub(super) const fn is_lost(&self) -> bool {
        self.lost.is_some()
    }

    /// Why the master is to begin anew instead of ending, if it is.
    pub(super) fn begins_anew(&self) -> Option<String> {
        self.anew.clone()
    }

    /// Why the store is lost, if it is.
    pub(super) fn take_loss(&mut self) -> Option<StoreError> {
        self.lost.take()
    }

    /// When a store that does not take the end is no longer waited for, everybody having left by now.
    pub(super) fn give_up_at(&mut self, now: Mono) -> Mono {
        *self.give_up_at.get_or_insert(now + STUCK_AFTER)
    }
}
