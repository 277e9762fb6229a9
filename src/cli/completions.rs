//! `completions`: a completion script for a shell.

use clap::CommandFactory;
use clap_complete::Shell;

use super::args::Cli;
use super::output;
use crate::error::{Code, Error};

pub(crate) fn run(shell: Shell) -> Result<Code, Error> {
    // Into memory first: the generator panics when it cannot write.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "queue-work", &mut script);
    output::raw(&script).map(|()| Code::DONE)
}
