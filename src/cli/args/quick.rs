//! The short way to `push`, which scripts start once per job: a parser that knows this verb and the options of every verb,
//! as the whole tree takes ten times as long to build as these take to be parsed.
//!
//! Invariant: what it understands, the whole tree understands in the same way. Whatever it does not understand, help and
//! mistakes included, is not for it; nor is an environment with an option of `start`, which may be a mistake too.

use std::ffi::{OsStr, OsString};

use clap::{Args, Command, FromArgMatches};

use super::push::PushArgs;
use super::start::{FIELDS, StartArgs};
use super::{Cli, Global, PLACES, Parsed, Verb, from_env};

const VERB: &str = "push";

pub(super) fn parse(args: &[OsString]) -> Option<Parsed> {
    let verb = verb_at(args)?;
    if std::env::vars_os().any(|(name, _)| is_of_start(&name)) {
        return None;
    }
    let command = PushArgs::augment_args(Global::augment_args(Command::new("queue-work")));
    let command = command.disable_help_flag(true);
    // Neither is taken apart: the process ends soon.
    let command = Box::leak(Box::new(command));
    let words = args[..verb].iter().chain(&args[verb + 1..]);
    let matches = Box::leak(Box::new(command.try_get_matches_from_mut(words).ok()?));
    let push = PushArgs::from_arg_matches(matches).ok()?;
    let global = Global::from_arg_matches(matches).ok()?;
    let cli = Cli { start: StartArgs::default(), global, verb: Some(Verb::Push(Box::new(push))) };
    Some(Parsed { cli, from_env: from_env(matches, PLACES.iter()) })
}

/// Where the verb stands, if nothing comes before it but the places of things, `--database d`. (What may be given both
/// before and after it is not taken together here as the whole tree does.)
fn verb_at(args: &[OsString]) -> Option<usize> {
    let mut at = 1;
    while args.get(at)? != VERB {
        let option = args[at].to_str()?.strip_prefix("--")?;
        let value = args.get(at + 1)?;
        if !PLACES.contains(&option) || value.as_encoded_bytes().starts_with(b"-") {
            return None;
        }
        at += 2;
    }
    Some(at)
}

fn is_of_start(name: &OsStr) -> bool {
    let option = name.to_str().and_then(|name| name.strip_prefix("QUEUE_WORK_"));
    option.is_some_and(|option| FIELDS.iter().any(|field| field.eq_ignore_ascii_case(option)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::parse_all;

    #[test]
    fn it_agrees_with_the_whole_tree_and_leaves_to_it_what_is_not_a_plain_push() {
        let table: [(&str, bool); 27] = [
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
            assert!(is_of_start(name.as_ref()), "{name}");
        }
        for name in ["QUEUE_WORK_DATABASE", "QUEUE_WORK_PUSH_QUEUE", "QUEUE_WORK_POOL", "WORKERS"] {
            assert!(!is_of_start(name.as_ref()), "{name}");
        }
    }
}
