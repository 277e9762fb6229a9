//! `top`: queues, pools and workers on the whole screen, and keys that act on them.
//!
//! The state is in `crate::top`; here is what it needs of the world: the terminal, the keys, the signals, and a thread that
//! talks to the master. Invariant: however this ends, the terminal is as it was before.

mod link;
mod screen;

use std::io::{self, IsTerminal as _};
use std::thread;

use crossbeam_channel::{Receiver, Sender, unbounded};
use ratatui::crossterm::event::{self, Event, KeyEvent, KeyEventKind};
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

use super::args::control::StatusArgs;
use super::context::Context;
use super::status;
use crate::error::{Code, Error};
use crate::process::image;
use crate::process::inherited::Ignored;
use crate::top::{Effect, Heard, View, draw};
use link::{Link, Order};
use screen::Screen;

/// Exit code of what Ctrl-C ends.
const INTERRUPTED: u8 = 130;

/// Comes to the thread that draws.
enum Input {
    Key(KeyEvent),
    /// The terminal has another size.
    Resized,
    Heard(Box<Heard>),
    Signal(i32),
    /// Why there will be no more keys.
    NoTerminal(io::Error),
}

pub(crate) fn run(context: &Context) -> Result<Code, Error> {
    let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    if is_dumb || context.global.json || !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        return status::run(context, &StatusArgs::default());
    }
    // A place that cannot be found out is said before the screen is another one.
    context.paths()?;
    image::with_one_arena();
    // Nothing but the screen is written to the terminal.
    log::set_max_level(log::LevelFilter::Off);
    let (to, inputs) = unbounded();
    let (orders, taken) = unbounded();
    listen_to_signals(to.clone()).map_err(|e| Error::io("handle signals", e))?;
    let mut screen = Screen::enter().map_err(|e| Error::io("set up the terminal", e))?;
    read_keys(to.clone());
    let link = Link::new(context);
    thread::spawn(move || link.run(&taken, &|heard| to.send(Input::Heard(Box::new(heard))).is_ok()));
    let ended = watch(&mut screen, &inputs, &orders);
    drop(screen);
    match ended? {
        Ended::Quit => Ok(Code::DONE),
        Ended::Interrupted => Err(Error::Said(INTERRUPTED)),
        Ended::By(signal) => {
            emulate_default_handler(signal).map_err(|e| Error::io("end as the signal says", e))?;
            Ok(Code::DONE)
        }
    }
}

/// Why it is over.
enum Ended {
    Quit,
    Interrupted,
    By(i32),
}

/// Takes what comes and draws what has changed, until somebody ends it.
fn watch(screen: &mut Screen, inputs: &Receiver<Input>, orders: &Sender<Order>) -> Result<Ended, Error> {
    let mut view = View::new(std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()));
    let mut wants = view.wants();
    let mut is_changed = true;
    loop {
        if is_changed && inputs.is_empty() {
            screen.draw(|frame| draw(&view, frame)).map_err(Error::stdout)?;
            is_changed = false;
        }
        let Ok(input) = inputs.recv() else { return Ok(Ended::Quit) };
        match input {
            Input::Heard(heard) => is_changed |= view.hear(*heard),
            Input::Resized => is_changed = true,
            Input::Signal(SIGCONT) => {
                screen.enter_again().map_err(Error::stdout)?;
                is_changed = true;
            }
            Input::Signal(signal) => return Ok(Ended::By(signal)),
            Input::NoTerminal(error) => return Err(Error::io("read from the terminal", error)),
            Input::Key(key) => {
                is_changed = true;
                match view.press(key) {
                    Some(Effect::Quit) => return Ok(Ended::Quit),
                    Some(Effect::Interrupt) => return Ok(Ended::Interrupted),
                    // What lets it go on sends SIGCONT.
                    Some(Effect::Suspend) => Screen::suspend().map_err(Error::stdout)?,
                    Some(Effect::Redraw) => screen.clear().map_err(Error::stdout)?,
                    Some(Effect::Ask(ask)) => drop(orders.send(Order::Ask(ask))),
                    None => {}
                }
            }
        }
        let now = view.wants();
        if now != wants {
            wants = now.clone();
            let _ = orders.send(Order::Wants(now));
        }
    }
}

fn listen_to_signals(to: Sender<Input>) -> io::Result<()> {
    let ignored = Ignored::of_this_process();
    let wanted = [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|&signal| !ignored.has(signal));
    let mut signals = Signals::new(wanted.chain([SIGCONT]))?;
    thread::spawn(move || signals.forever().try_for_each(|signal| to.send(Input::Signal(signal))));
    Ok(())
}

fn read_keys(to: Sender<Input>) {
    let next = || match event::read() {
        Ok(Event::Key(key)) if key.kind != KeyEventKind::Release => Some(Input::Key(key)),
        Ok(Event::Resize(..)) => Some(Input::Resized),
        Ok(_) => None,
        Err(error) => Some(Input::NoTerminal(error)),
    };
    thread::spawn(move || {
        loop {
            let input = next();
            let is_last = matches!(input, Some(Input::NoTerminal(_)));
            if input.is_some_and(|input| to.send(input).is_err()) || is_last {
                return;
            }
        }
    });
}
