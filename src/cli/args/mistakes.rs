//! Words for a wrong command line, where the parser's own words would lead astray.
//!
//! Invariant: no tip ends a master, and none is an option of every verb that merely looks like what was typed.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command, CommandFactory as _, Error};

use super::Cli;
use crate::report::words;

/// Words of other tools, which do not look like ours.
const KNOWN_ELSEWHERE: [(&str, &str); 9] = [
    ("add", "push"),
    ("enqueue", "push"),
    ("follow", "logs -f"),
    ("list", "jobs list"),
    ("run", "start"),
    ("show", "jobs show"),
    ("tail", "logs -f"),
    ("top", "status --watch"),
    ("wait", "jobs wait"),
];

/// Words a mistake of the parser's finding better, where that can be done.
pub(super) fn explain(command: &Command, error: Error, args: &[OsString]) -> Error {
    let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidArg) else { return error };
    if error.kind() != ErrorKind::UnknownArgument {
        return error;
    }
    let (verb, path) = verb_of(command, args);
    if path.is_empty() && !word.starts_with('-') {
        return unknown_verb(command, word);
    }
    let tip = match error.get(ContextKind::SuggestedArg) {
        Some(ContextValue::String(tip)) => Some(tip.trim_start_matches("--")),
        _ => None,
    };
    let is_own = |tip: &str| verb.get_arguments().any(|arg| !arg.is_global_set() && arg.get_long() == Some(tip));
    if path.is_empty() || tip.is_some_and(is_own) {
        return error;
    }
    if path == "push"
        && let Some(better) = a_command_goes_last(args)
    {
        return better;
    }
    let word = if word.starts_with('-') { word.split('=').next().unwrap_or(word) } else { word };
    let has_not = if word.starts_with('-') { "has no option" } else { "does not take" };
    raw(format!("`{path}` {has_not} `{word}`; see `queue-work {path} --help`"))
}

/// The same mistake without the environment, which the line on the usage would show as if it had been typed.
pub(super) fn as_typed(error: Error, args: &[OsString]) -> Error {
    if !error.use_stderr() || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return error;
    }
    match without_environment(Cli::command()).try_get_matches_from(args) {
        Err(again) if again.kind() == error.kind() => again,
        // The mistake is in a variable.
        Ok(_) | Err(_) => error,
    }
}

fn without_environment(command: Command) -> Command {
    command.mut_args(|arg| arg.env(None::<&'static str>)).mut_subcommands(without_environment)
}

fn raw(message: String) -> Error {
    Error::raw(ErrorKind::UnknownArgument, message)
}

/// The verb that was typed, and its words; of the program itself, if there is none.
fn verb_of<'a>(command: &'a Command, args: &[OsString]) -> (&'a Command, String) {
    let mut found = (command, String::new());
    for word in args.iter().skip(1).take_while(|arg| *arg != "--").filter_map(|arg| arg.to_str()) {
        if let Some(verb) = found.0.find_subcommand(word) {
            let space = if found.1.is_empty() { "" } else { " " };
            found = (verb, format!("{}{space}{word}", found.1));
        }
    }
    found
}

/// `queue-work stauts` is a verb that does not exist, not an argument too many.
fn unknown_verb(command: &Command, word: &str) -> Error {
    let ends_something = ["stop", "restart"];
    let verbs = command.get_subcommands().map(Command::get_name);
    let names: Vec<&str> = verbs.filter(|name| !name.starts_with("__") && !ends_something.contains(name)).collect();
    let elsewhere = KNOWN_ELSEWHERE.iter().find(|(theirs, _)| *theirs == word).map(|(_, ours)| *ours);
    let begun = names.iter().copied().find(|name| word.len() > 1 && name.starts_with(word));
    let far = |name: &&str| strsim::damerau_levenshtein(name, word);
    let near = names.iter().copied().filter(|name| far(name) <= 2.min(word.chars().count() / 2)).min_by_key(far);
    let tip = elsewhere.or(begun).or(near);
    let tip = tip.map_or_else(|| "see `queue-work --help`".to_owned(), |name| format!("did you mean `{name}`?"));
    raw(format!("there is no verb `{word}`; {tip}"))
}

/// `push ls -l`, as one types it for `nohup` and `time`.
fn a_command_goes_last(args: &[OsString]) -> Option<Error> {
    if args.iter().any(|arg| arg == "--") {
        return None;
    }
    let after = args.iter().position(|arg| arg == "push")? + 1;
    args.get(after).filter(|word| !word.as_encoded_bytes().starts_with(b"-"))?;
    let command: Vec<_> = args[after..].iter().map(|word| word.to_string_lossy()).collect();
    let command = words::command(command.iter().map(|word| &**word));
    Some(raw(format!("a command goes after `--`: `queue-work push -- {command}`")))
}

/// `queue-work --workers 4 push` would quietly drop `--workers`; `config` is the one verb that looks at it.
pub(super) fn refuse_misplaced(command: &mut Command, matches: &ArgMatches) -> Result<(), Error> {
    let Some(verb) = matches.subcommand_name().filter(|v| *v != "config") else { return Ok(()) };
    let typed = |arg: &&Arg| matches.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine);
    let of_start = command.get_arguments().filter(|arg| !arg.is_global_set());
    let Some(id) = of_start.filter(typed).map(Arg::get_id).next() else { return Ok(()) };
    let option = id.as_str().replace('_', "-");
    let message = match verb {
        "start" => format!("write `--{option}` after `start`, as in `queue-work start --{option} …`"),
        _ => format!(
            "`--{option}` before the verb is an option of the master, not of `{verb}`; see `queue-work {verb} --help`"
        ),
    };
    Err(command.error(ErrorKind::ArgumentConflict, message))
}
