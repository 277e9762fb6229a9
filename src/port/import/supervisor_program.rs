//! A program of supervisor: a pool of opaque workers, as many as `numprocs`, one where nothing is said.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use toml::Value;

use super::super::command_line;
use super::super::draft::{Draft, Section};
use super::super::ini::Key;
use super::super::{Fault, Surroundings};
use super::restart::Restart;
use super::supervisor::log_size;
use super::{at_folder, env, grace, user};

/// Stands for the number of a process, with its width behind it; no text has it.
const NUMBER: char = '\u{f8ff}';

/// What programs have in common.
pub(super) struct Common<'a> {
    pub(super) here: Surroundings<'a>,
    pub(super) groups: BTreeMap<String, String>,
    pub(super) env: Vec<(String, String)>,
    pub(super) umask: Option<String>,
    pub(super) directory: Option<String>,
    /// The folder of the file.
    pub(super) folder: String,
    sizes: BTreeMap<&'static str, Value>,
}

impl<'a> Common<'a> {
    pub(super) fn new(here: Surroundings<'a>, groups: BTreeMap<String, String>) -> Self {
        let (env, umask, directory) = (Vec::new(), None, None);
        Self { here, groups, env, umask, directory, folder: String::new(), sizes: BTreeMap::new() }
    }

    /// Fills in `%(name)s`; the result is a text of the configuration, with its variables.
    pub(super) fn expand(&self, text: &str, program: &str) -> Result<String, String> {
        let (mut out, mut rest) = (String::new(), text);
        while let Some((before, after)) = rest.split_once('%') {
            out.push_str(before);
            if let Some(after) = after.strip_prefix('%') {
                out.push('%');
                rest = after;
                continue;
            }
            let named = after.strip_prefix('(').and_then(|after| after.split_once(')'));
            let (name, after) =
                named.ok_or_else(|| format!("`%` in `{text}` begins no `%(name)s`; write `%%` for the sign"))?;
            let end = after
                .find(|c: char| c.is_ascii_alphabetic())
                .ok_or_else(|| format!("`%({name})` has no `s` behind it"))?;
            let (width, after) = (&after[..end], &after[end + 1..]);
            let group = || self.groups.get(program).map_or(program, String::as_str);
            match name {
                "program_name" => out.push_str(program),
                "group_name" => out.push_str(group()),
                "here" => out.push_str(&self.folder),
                "host_node_name" => out.push_str("${HOSTNAME}"),
                "process_num" => {
                    let _ = write!(out, "{NUMBER}{width}{NUMBER}");
                }
                _ => match name.strip_prefix("ENV_") {
                    Some(variable) => {
                        let _ = write!(out, "${{{variable}}}");
                    }
                    None => return Err(format!("there is no `%({name})s`")),
                },
            }
            rest = after;
        }
        out.push_str(rest);
        Ok(out)
    }
}

/// A pool in the making.
pub(super) struct Program {
    pub(super) section: Section,
    /// Where it was said.
    priority: Option<(i64, String)>,
}

pub(super) fn read(name: &str, keys: &[Key], common: &mut Common<'_>, draft: &mut Draft) -> Result<Program, Fault> {
    let value = |key: &str| keys.iter().find(|found| found.name == key).map(|found| found.value.as_str());
    let mut section = draft.section("pools", name);
    section.add("", ("kind", "opaque"));
    let (directory, first) = (value("directory"), number(keys, "numprocs_start", 0)?);
    let directory = directory.or(common.directory.as_deref()).map(str::to_owned);
    let (mut variables, mut priority) = (common.env.clone(), None);
    for key in keys {
        let fault = |message| (key.line, message);
        let expand = |common: &Common<'_>| common.expand(&command_line::escaped(&key.value), name).map_err(fault);
        match key.name.as_str() {
            "numprocs" if value("autostart").is_none_or(|word| !is_off(word)) => {
                section.take(key.written(), ("workers", number(keys, "numprocs", 1)?));
            }
            "command" => {
                let text = expand(common)?;
                command(&mut section, key, &text, first, directory.as_deref()).map_err(fault)?;
            }
            "environment" => {
                variables.extend(self::variables(&expand(common)?).map_err(fault)?);
                section.take(key.written(), ());
            }
            "directory" => section.take(key.written(), ("cwd", expand(common)?)),
            "user" => user(&mut section, key.written(), &key.value, common.here),
            "priority" => {
                let number = key.value.parse().map_err(|_| fault(format!("`{}` is no number", key.value)))?;
                priority = Some((number, key.written()));
            }
            "stdout_logfile_maxbytes" | "stderr_logfile_maxbytes"
                if value(key.name.trim_end_matches("_maxbytes")).is_some_and(|file| file.starts_with("/dev/")) =>
            {
                section.take(key.written(), ());
            }
            "stdout_logfile_maxbytes"
            | "stderr_logfile_maxbytes"
            | "stdout_logfile_backups"
            | "stderr_logfile_backups" => {
                log_size(key, &mut common.sizes, &mut section);
            }
            _ => simple(&mut section, key, keys),
        }
    }
    if !section.has("workers") {
        section.add("", ("workers", number(keys, "numprocs", 1)?));
    }
    if !section.has("cwd")
        && let Some(directory) = directory
    {
        section.add("", ("cwd", directory));
    }
    if !section.has("umask")
        && let Some(umask) = &common.umask
    {
        section.add("", ("umask", umask.as_str()));
    }
    if !section.has("grace") {
        section.add("", ("grace", "10s"));
    }
    if let Some(value) = restart(keys)?.value() {
        section.add("", ("restart", value));
    }
    env(&mut section, variables);
    for (name, value) in &common.sizes {
        if !draft.top().has(name) {
            draft.top().add("", (*name, value.clone()));
        }
    }
    Ok(Program { section, priority })
}

/// Keys that need nothing but themselves.
fn simple(section: &mut Section, key: &Key, keys: &[Key]) {
    let (written, value) = (key.written(), key.value.as_str());
    let is_parked = keys.iter().any(|key| key.name == "autostart" && is_off(&key.value));
    match key.name.as_str() {
        // Where it is started, it was read before.
        "numprocs" => {
            section.change(written, format!("as it is not started: then `queue-work scale {value} --pool NAME`"), ());
        }
        "autostart" if is_parked => {
            section.change(written, "no workers, until `queue-work scale 1 --pool NAME`", ("workers", 0));
        }
        "process_name" => section.change(written, "workers are called by their pool and a number from 1: `NAME-1`", ()),
        "autostart" | "numprocs_start" | "autorestart" | "startretries" => section.take(written, ()),
        "startsecs" => section.change(written, "deaths are counted within `window` of `restart`", ()),
        "exitcodes" if value.trim() == "0" => section.take(written, ()),
        "exitcodes" => section.lose(written, "0 is the one exit code that is no failure"),
        "stopsignal" if value.eq_ignore_ascii_case("KILL") => {
            section.change(
                written,
                "SIGTERM, and SIGKILL at once",
                [("grace", "0s".into()), ("kill_after", "0s".into())],
            );
        }
        "stopsignal" => section.take(written, ("stop_signal", value.to_uppercase())),
        "stopwaitsecs" => grace(section, written, value.parse().unwrap_or(f64::NAN)),
        "stopasgroup" | "killasgroup" if is_on(value) => section.take(written, ()),
        "stopasgroup" | "killasgroup" => section.change(written, "signals go to the worker with its children", ()),
        "umask" => section.take(written, ("umask", value)),
        "redirect_stderr" => section.change(written, "both are in one log, and `queue-work logs` tells them apart", ()),
        "stdout_logfile" | "stderr_logfile" => {
            section.change(written, "`queue-work logs NAME` shows it, and a master with `-v` prints it, too", ());
        }
        "stdout_capture_maxbytes" | "stderr_capture_maxbytes" | "stdout_events_enabled" | "stderr_events_enabled" => {
            section.lose(written, "output is no event; `queue-work logs -f` follows it");
        }
        "stdout_syslog" | "stderr_syslog" => {
            section.lose(written, "there is no way to syslog; `-v` prints it for the journal");
        }
        "serverurl" => section.change(written, "workers find the master by QUEUE_WORK_SOCKET", ()),
        _ => section.lose(written, "supervisor has no such key"),
    }
}

pub(super) fn is_on(word: &str) -> bool {
    matches!(word.to_lowercase().as_str(), "true" | "1" | "on" | "yes")
}

fn is_off(word: &str) -> bool {
    matches!(word.to_lowercase().as_str(), "false" | "0" | "off" | "no")
}

/// The number that a key says; the fault where it says none.
fn number(keys: &[Key], name: &str, usual: i64) -> Result<i64, Fault> {
    let Some(key) = keys.iter().find(|key| key.name == name) else { return Ok(usual) };
    key.value.parse().map_err(|_| (key.line, format!("`{}` is no number", key.written())))
}

/// Starts that fail are told by `startsecs`; it waits 1 s after the first, 2 s after the second, and so on.
fn restart(keys: &[Key]) -> Result<Restart, Fault> {
    let on = match keys.iter().find(|key| key.name == "autorestart") {
        Some(key) if is_on(&key.value) => "always",
        Some(key) if is_off(&key.value) => "never",
        Some(_) | None => "failure",
    };
    let retries = number(keys, "startretries", 3)?.clamp(0, 1000) as u32;
    let (count, seconds) = (f64::from(retries), number(keys, "startsecs", 1)?.max(1) as f64);
    let window = count * (count + 1.0) / 2.0 + (count + 1.0) * seconds;
    Ok(Restart { on, most: Some((retries, window)), waits: Some((1.0, count.max(1.0))), is_linear: true })
}

/// No shell reads it there, nor here, unless the number of the process is in it.
fn command(section: &mut Section, key: &Key, text: &str, first: i64, folder: Option<&str>) -> Result<(), String> {
    let mut split = command_line::split(text)?;
    let Some(program) = split.first_mut() else { return Err("the command is empty".to_owned()) };
    at_folder(program, folder);
    if !text.contains(NUMBER) {
        section.take(key.written(), ("command", command_line::filled_argv(split)));
        return Ok(());
    }
    let script: Vec<String> = split.iter().map(|word| for_shell(word, first)).collect();
    let script = format!("exec {}", script.join(" "));
    let how = "a shell fills in the number of the worker";
    section.change(
        key.written(),
        how,
        ("command", command_line::filled_argv(["sh".to_owned(), "-c".to_owned(), script])),
    );
    Ok(())
}

/// A word with numbers and variables in it, as a shell reads it.
fn for_shell(word: &str, first: i64) -> String {
    let mut out = String::new();
    for (index, part) in word.split(NUMBER).enumerate() {
        if index % 2 == 1 {
            let slot = format!("$((QUEUE_WORK_SLOT + {}))", first - 1).replace("+ -", "- ").replace(" + 0", "");
            let _ = if part.is_empty() { write!(out, "{slot}") } else { write!(out, "$(printf %{part}d {slot})") };
            continue;
        }
        let mut rest = part;
        while let Some(at) = rest.find("${").filter(|at| !rest[..*at].ends_with('$')) {
            let end = rest[at..].find('}').map_or(rest.len(), |end| at + end + 1);
            let _ = write!(out, "{}\"{}\"", quoted(&rest[..at]), &rest[at..end]);
            rest = &rest[end..];
        }
        out.push_str(&quoted(rest));
    }
    out
}

fn quoted(text: &str) -> String {
    if text.is_empty() { String::new() } else { command_line::quoted(&text.replace("$${", "${")).into_owned() }
}

/// Reads `A="1",B=2`.
pub(super) fn variables(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut out = Vec::new();
    let mut rest = text.trim_start_matches([',', ' ', '\t', '\n']);
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=').ok_or_else(|| format!("`{rest}` is no variable with a value"))?;
        let after = after.trim_start_matches([' ', '\t']);
        let (value, after) = match after.chars().next() {
            Some(quote @ ('"' | '\'')) => {
                let inside = &after[1..];
                let end = inside.find(quote).ok_or_else(|| format!("a quote {quote} is not closed"))?;
                (&inside[..end], &inside[end + 1..])
            }
            _ => after.split_at(after.find([',', '\n']).unwrap_or(after.len())),
        };
        out.push((name.trim().to_owned(), value.trim_end().to_owned()));
        rest = after.trim_start_matches([',', ' ', '\t', '\n']);
    }
    Ok(out)
}

/// Programs begin by their priority, the lowest first; those that say none have 999.
pub(super) fn order(programs: &mut [Program]) {
    let of = |program: &Program| program.priority.as_ref().map_or(999, |(number, _)| *number);
    let all: Vec<(i64, String)> = programs.iter().map(|program| (of(program), program.section.name.clone())).collect();
    for program in programs {
        let own = of(program);
        let before = all.iter().map(|(number, _)| *number).filter(|number| *number < own).max();
        let needs: Vec<&str> =
            all.iter().filter(|(number, _)| Some(*number) == before).map(|(_, name)| name.as_str()).collect();
        let how = "it also waits until those before it have workers";
        match (program.priority.take(), needs.is_empty()) {
            (Some((_, written)), true) => program.section.take(written, ()),
            (Some((_, written)), false) => program.section.change(written, how, ("needs", needs)),
            (None, true) => {}
            (None, false) => program.section.add("priority is 999 where none is said", ("needs", needs)),
        }
    }
}
