//! Carrying out the words of the master.
//!
//! Invariant: a packet that cannot be carried out changes nothing else, and is told in the log.

use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use super::shell::Shell;
use super::workers::{self, Introduced};
use super::{console, listen};
use crate::core::calls::CallEvent;
use crate::wire::gateway::{FromGateway, ToGateway};

/// Carries out a packet.
pub(super) fn obey(shell: &Rc<Shell>, packet: ToGateway, descriptors: Vec<OwnedFd>) -> io::Result<()> {
    let mut descriptors = descriptors.into_iter();
    let mut descriptor = || descriptors.next().ok_or_else(|| io::Error::other("a descriptor is missing"));
    match packet {
        ToGateway::Begin => return Err(io::Error::other("`begin` comes first, and once")),
        ToGateway::Calls => console::start(shell, descriptor()?)?,
        ToGateway::Rows { rows } => rows.into_iter().for_each(|row| shell.tables.borrow_mut().restore(row)),
        ToGateway::Told => shell.channel.say(&FromGateway::Up),
        ToGateway::Services { services } => {
            for (name, settings) in services {
                shell.feed(CallEvent::Settings(name.clone(), Box::new(settings.clone())));
                shell.pools.borrow_mut().entry(name).or_default().settings = settings;
            }
        }
        ToGateway::Listen { pool, address, framing } => {
            let listener = listen::start(shell, &pool, &address, framing, descriptor()?)?;
            let before = shell.pools.borrow_mut().entry(pool).or_default().listeners.insert(address, listener);
            before.inspect(|listener| listener.close());
        }
        ToGateway::Unlisten { pool, address } => {
            let listener = shell.pools.borrow_mut().get_mut(&pool).and_then(|pool| pool.listeners.remove(&address));
            listener.inspect(|listener| listener.close());
        }
        ToGateway::Worker { worker, pool, slot, declared } => {
            let who = Introduced { worker, pool, slot, declared };
            workers::start(shell, who, descriptor()?, descriptor()?)?;
        }
        ToGateway::Drain { worker, why, grace } => {
            if let Some(worker) = shell.worker(worker) {
                worker.drain(shell, why, grace);
            }
        }
        ToGateway::Gone { worker, how } => {
            if let Some(worker) = shell.worker(worker) {
                worker.gone(how);
            }
        }
        ToGateway::Forget { pool } => {
            let gone = shell.pools.borrow_mut().remove(&pool);
            gone.inspect(|pool| pool.listeners.values().for_each(|listener| listener.close()));
            shell.feed(CallEvent::Forgotten(pool));
        }
        ToGateway::Stop => shell.feed(CallEvent::Stop),
    }
    Ok(())
}
