//! The gateway: the process that carries the calls of services.
//!
//! `queue-work gateway N`, a child of the master; N is the number of this gateway on this master, from 1. One thread, on an
//! asynchronous runtime, which is used here and nowhere else. The master gives it the pipes of workers and the listening
//! sockets on a socket pair that is its standard input ([`crate::wire::gateway`]), and reads no byte of a call.
//!
//! | file | what it does |
//! | --- | --- |
//! | `channel` | packets from and to the master |
//! | `told` | carries out what the master says |
//! | `shell` | the state, around the decisions of [`crate::core::calls`] |
//! | `workers` | the pipes of workers: requests, answers, health |
//! | `listen` | listening sockets and connections: framings, HTTP |
//! | `console` | the socket of `queue-work call` |
//! | `listing`, `exposition` | what it answers to `services` and `metrics` |
//! | `form`, `inside` | requests of clients, and of those who are inside |
//! | `upkeep` | what is done once a second: health, the load of services |
//! | `tables`, `metrics` | what workers share and count |
//!
//! Invariants: the process ends as soon as the master is gone; it can be killed at any moment, and the next one, given the same
//! descriptors, goes on: listeners refuse nobody, answers to requests of the one before are dropped.

mod budget;
mod channel;
mod console;
mod exposition;
pub(crate) mod form;
mod inside;
mod listen;
mod listing;
mod marks;
pub(crate) mod metrics;
mod pool;
mod shell;
pub(crate) mod tables;
mod told;
mod upkeep;
mod workers;

use std::ffi::OsString;
use std::future::{Future, poll_fn};
use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::task::Poll;

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use tokio::runtime::{Builder, LocalOptions};
use tokio::task::spawn_local;

use self::channel::Channel;
use self::marks::Marks;
use self::shell::Shell;
use crate::process::{files, image};
use crate::wire::gateway::{MOST, ToGateway};

/// The body of the hidden verb.
pub(crate) fn run(args: &[OsString]) -> io::Result<()> {
    let number = args.first().and_then(|number| number.to_str()).and_then(|number| number.parse().ok());
    let number = number.ok_or_else(|| io::Error::other("only a master starts `gateway`, with a number"))?;
    prepare()?.block_on(serve(number))
}

fn prepare() -> io::Result<tokio::runtime::LocalRuntime> {
    env_logger::Builder::new().filter_level(log::LevelFilter::Warn).format_timestamp(None).init();
    // Caught and forgotten: a Ctrl-C must not end the gateway before the master has ended the workers.
    let heard = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP, SIGQUIT] {
        signal_hook::flag::register(signal, Arc::clone(&heard))?;
    }
    image::take_name();
    let _ = files::make_room(u64::MAX);
    std::env::set_current_dir("/")?;
    Builder::new_current_thread().enable_io().enable_time().build_local(LocalOptions::default())
}

/// Serves until the master is gone.
async fn serve(number: u32) -> io::Result<()> {
    let channel = Rc::new(Channel::new(io::stdin().as_fd().try_clone_to_owned()?)?);
    let mut buffer = vec![0; MOST];
    let Some((first, descriptors)) = channel.next(&mut buffer).await? else { return Ok(()) };
    let (ToGateway::Begin, Ok([marks, console])) = (first, <[_; 2]>::try_from(descriptors)) else {
        return Err(io::Error::other("the first packet is not `begin` with two descriptors"));
    };
    let shell = Rc::new(Shell::new(Rc::clone(&channel), Rc::new(Marks::new(marks)?), number));
    console::start(&shell, console)?;
    let timer = Rc::clone(&shell);
    spawn_local(async move { timer.keep_time().await });
    spawn_local(upkeep::keep(Rc::clone(&shell)));
    let hearing = async {
        while let Some((packet, descriptors)) = channel.next(&mut buffer).await? {
            if let Err(error) = told::obey(&shell, packet, descriptors) {
                log::error!("a packet of the master cannot be carried out: {error}");
            }
        }
        upkeep::tell_records(&shell);
        Ok(())
    };
    match first_of(hearing, async { Err(channel.write().await) }).await {
        // The master is gone before it has read everything.
        Err(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => Ok(()),
        ended => ended,
    }
}

/// The one that is over first.
async fn first_of<T>(one: impl Future<Output = T>, other: impl Future<Output = T>) -> T {
    let (mut one, mut other) = (pin!(one), pin!(other));
    poll_fn(|cx| match one.as_mut().poll(cx) {
        Poll::Ready(done) => Poll::Ready(done),
        Poll::Pending => other.as_mut().poll(cx),
    })
    .await
}
