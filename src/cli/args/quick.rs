//! The short way to `push`, which scripts start once per job, and to `top`, which stays: a parser that knows these verbs and
//! the options of every verb, as the whole tree takes ten times as long to build as these take to be parsed, and a megabyte.
//!
//! Invariant: what it understands, the whole tree understands in the same way. Whatever it does not understand, help and
//! mistakes included, is not for it; nor is an environment with an option of `start`, which may be a mistake too.

use std::ffi::OsString;

use clap::{Args, Command, FromArgMatches};

use super::push::PushArgs;
use super::start::StartArgs;
use super::{Cli, Global, PLACES, Parsed, Verb, from_env};

const PUSH: &str = "push";
const TOP: &str = "top";

pub(super) fn parse(args: &[OsString]) -> Option<Parsed> {
    let at = verb_at(args)?;
    let is_push = args[at] == PUSH;
    if is_of_start(std::env::vars_os().map(|(name, _)| name)) {
        return None;
    }
    let command = Global::augment_args(Command::new("queue-work"));
    let command = if is_push { PushArgs::augment_args(command) } else { command };
    let command = command.disable_help_flag(true);
    // Neither is taken apart: the process ends soon.
    let command = Box::leak(Box::new(command));
    let words = args[..at].iter().chain(&args[at + 1..]);
    let matches = Box::leak(Box::new(command.try_get_matches_from_mut(words).ok()?));
    let global = Global::from_arg_matches(matches).ok()?;
    let verb = if is_push { Verb::Push(Box::new(PushArgs::from_arg_matches(matches).ok()?)) } else { Verb::Top };
    let cli = Cli { start: StartArgs::default(), global, verb: Some(verb) };
    Some(Parsed { cli, from_env: from_env(matches) })
}

/// Where the verb stands, if nothing comes before it but the places of things, `--database d`. (What may be given both
/// before and after it is not taken together here as the whole tree does.)
fn verb_at(args: &[OsString]) -> Option<usize> {
    let mut at = 1;
    while !(args.get(at)? == PUSH || args[at] == TOP) {
        let option = args[at].to_str()?.strip_prefix("--")?;
        let value = args.get(at + 1)?;
        if !PLACES.contains(&option) || value.as_encoded_bytes().starts_with(b"-") {
            return None;
        }
        at += 2;
    }
    Some(at)
}

/// Whether one of these variables is an option of `start`, or may be.
fn is_of_start(names: impl Iterator<Item = OsString>) -> bool {
    let mut ours = names.filter(|name| name.as_encoded_bytes().starts_with(b"QUEUE_WORK_")).peekable();
    if ours.peek().is_none() {
        return false;
    }
    let start = StartArgs::augment_args(Command::new(PUSH));
    ours.any(|name| start.get_arguments().any(|arg| arg.get_env() == Some(&*name)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::parse_all;

    #[test]
    fn it_agrees_with_the_whole_tree_and_leaves_to_it_what_is_not_a_plain_push() {
        let table: [(&str, bool); 31] = [
            ("push noop", true),
            ("push noop [1] --json", true),
            ("--database d --socket s push -q noop", true),
            ("--database push push noop --quiet", true),
            ("--database d push --database e noop", false),
            ("--socket=s push noop", false),
            ("-v push noop -v", false),
            ("--database --json push noop", false),
            ("push noop --config c --database d -vv --log-format json", true),
            ("push --queue q --priority -5 --delay 1s --unique k --max-attempts 2 noop -1", true),
            ("push --env A=B --timeout 90s -- echo --help push", true),
            ("push --lines --file f --ids --skip-bad -- echo {}", true),
            ("push push", true),
            ("push --wait start", true),
            ("push", true),
            ("top", true),
            ("--database d top --json", true),
            ("top now", false),
            ("top --help", false),
            ("", false),
            ("push --help", false),
            ("push -h", false),
            ("help push", false),
            ("--version push", false),
            ("--workers 4 push noop", false),
            ("push --priority 101 noop", false),
            ("push --lines --jsonl", false),
            ("push noop --all", false),
            ("logs push", false),
            ("--config push status", false),
            ("-- push", false),
        ];
        for (words, is_plain) in table {
            let args: Vec<OsString> =
                std::iter::once("queue-work").chain(words.split_whitespace()).map(OsString::from).collect();
            let found = parse(&args);
            assert_eq!(found.is_some(), is_plain, "{words}");
            if let Some(found) = found {
                let all = parse_all(&args).unwrap_or_else(|e| panic!("{words}: {e}"));
                assert_eq!(format!("{:?}", found.cli), format!("{:?}", all.cli), "{words}");
                assert_eq!(found.from_env, all.from_env, "{words}");
            }
        }
    }

    #[test]
    fn an_option_of_start_in_the_environment_is_noticed() {
        for name in ["QUEUE_WORK_WORKERS", "QUEUE_WORK_QUEUE", "QUEUE_WORK_MAX_JOBS"] {
            assert!(is_of_start(std::iter::once(name.into())), "{name}");
        }
        for name in ["QUEUE_WORK_DATABASE", "QUEUE_WORK_PUSH_QUEUE", "QUEUE_WORK_POOL", "WORKERS"] {
            assert!(!is_of_start(std::iter::once(name.into())), "{name}");
        }
    }
}
