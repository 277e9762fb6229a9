//! Parses, runs, and turns the outcome into an exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    queue_work::main(std::env::args_os())
}
