//! The terminal while `top` has it: raw, on its other screen, without a cursor.
//!
//! Invariant: dropping it, and a panic in any thread, give the terminal back as it was.

use std::io::{self, Stdout, Write as _};
use std::panic;

use nix::sys::signal::{Signal, raise};
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::{Hide, Show};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use ratatui::{Frame, Terminal};

pub(super) struct Screen(Terminal<CrosstermBackend<Stdout>>);

impl Screen {
    /// Takes the terminal.
    pub(super) fn enter() -> io::Result<Self> {
        let said = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            leave();
            said(info);
        }));
        take()?;
        let screen = Terminal::new(CrosstermBackend::new(io::stdout()));
        screen.map(Self).inspect_err(|_| leave())
    }

    pub(super) fn draw(&mut self, frame: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        self.0.draw(frame).map(drop)
    }

    /// Forgets what is on the screen, which somebody else has written over.
    pub(super) fn clear(&mut self) -> io::Result<()> {
        self.0.clear()
    }

    /// Stops this process as Ctrl-Z does, with the terminal as it was.
    pub(super) fn suspend() -> io::Result<()> {
        leave();
        raise(Signal::SIGSTOP)?;
        Ok(())
    }

    /// After somebody else had the terminal, who may have set it otherwise.
    pub(super) fn enter_again(&mut self) -> io::Result<()> {
        // The modes that were kept when the terminal was taken are old.
        let _ = disable_raw_mode();
        take()?;
        self.clear()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        leave();
    }
}

fn take() -> io::Result<()> {
    enable_raw_mode()?;
    execute!(io::stdout(), EnterAlternateScreen, Hide).inspect_err(|_| leave())
}

/// A terminal that is gone needs nothing.
fn leave() {
    let _ = execute!(io::stdout(), Show, LeaveAlternateScreen);
    let _ = io::stdout().flush();
    let _ = disable_raw_mode();
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Read as _;
    use std::process::{Command, Stdio};

    use nix::pty::openpty;
    use nix::sys::termios::{LocalFlags, tcgetattr};

    use super::*;

    /// Set in the process that is to panic.
    const PANIC: &str = "QUEUE_WORK_TEST_PANIC";

    #[test]
    fn a_panic_gives_the_terminal_back_and_is_read_there() {
        if std::env::var_os(PANIC).is_some() {
            let _screen = Screen::enter().expect("a terminal");
            let modes = tcgetattr(io::stdout()).expect("its modes").local_flags;
            panic!("raw: {}", !modes.contains(LocalFlags::ICANON));
        }
        let pty = openpty(None, None).expect("a terminal");
        let end = || Stdio::from(pty.slave.try_clone().expect("a descriptor"));
        let name = "cli::top::screen::tests::a_panic_gives_the_terminal_back_and_is_read_there";
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.args(["--exact", name, "--nocapture"]).env(PANIC, "1").env_remove("RUST_BACKTRACE");
        let mut child = command.stdin(end()).stdout(end()).stderr(end()).spawn().expect("it starts");
        drop(command);
        assert!(!child.wait().expect("it ends").success());
        let modes = tcgetattr(&pty.slave).expect("its modes").local_flags;
        assert!(modes.contains(LocalFlags::ICANON | LocalFlags::ECHO), "{modes:?}");
        drop(pty.slave);
        let mut said = Vec::new();
        // Ends with an error once nobody has the other end.
        let _ = File::from(pty.master).read_to_end(&mut said);
        let said = String::from_utf8_lossy(&said);
        let (taken, rest) = said.split_once("\u{1b}[?1049h").expect("it had the other screen");
        let (_, after) = rest.split_once("\u{1b}[?1049l").expect("and left it");
        assert!(!taken.contains("raw:") && after.contains("raw: true"), "{said:?}");
    }
}
