//! The section [Service] of a unit.

use std::collections::BTreeMap;

use super::super::command_line;
use super::super::draft::{Draft, Section};
use super::super::ini::Key;
use super::super::{Fault, Surroundings};
use super::restart::Restart;
use super::systemd::{self, Unit};
use super::systemd_timer::seconds;
use super::systemd_words::{self, Context};
use super::{as_user, env, grace, user};

/// Keys that a worker has no like of. Those that say what a process may do count for all below the master as well.
const LOST: [(&str, &str); 9] = [
    ("ExecStartPre", "let the command do it: [\"sh\", \"-c\", \"… && exec …\"]"),
    ("ExecStartPost", "nothing runs when a worker has started; `queue-work events -f` says so"),
    ("ExecStop", "workers leave by `stop_signal`"),
    ("ExecStopPost", "nothing runs when a worker has ended; `queue-work events -f` says so"),
    ("ExecReload", "`queue-work restart --pool NAME` replaces the worker"),
    ("ExecCondition", "let the command do it: [\"sh\", \"-c\", \"… && exec …\"]"),
    ("EnvironmentFile", "the environment of the master is that of the workers: write this in the unit of the master"),
    ("WatchdogSec", "a worker that hangs is not told from one that waits; a pool of kind \"service\" answers a check"),
    ("PIDFile", "the program has to stay in the foreground"),
];

pub(super) fn read(
    unit: &Unit<'_>,
    timer: Option<&Unit<'_>>,
    services: &[&str],
    here: Surroundings<'_>,
    draft: &mut Draft,
) -> Result<Section, Fault> {
    let said = |name: &str| unit.value("Service", name);
    let is_once = timer.is_some() || said("Type") == Some("oneshot");
    let mut section = draft.section(if is_once { "processors" } else { "pools" }, &unit.name);
    let variables = variables(unit)?;
    let context = Context { unit: &unit.name, env: &variables };
    systemd::around(unit, services, &mut section);
    if is_once {
        match timer {
            Some(timer) => systemd::timer(timer, &mut section),
            None => section.add("as it is begun with the machine", ("run_at_start", true)),
        }
    } else {
        section.add("", [("kind", "opaque".into()), ("workers", 1.into())]);
    }
    for key in unit.keys("Service") {
        one(&mut section, key, unit, &context, here).map_err(|message| (key.line, message))?;
    }
    if let Some(key) = unit.keys("Service").filter(|key| key.name == "User").last().filter(|_| is_once) {
        as_user(&mut section, key.written(), &key.value, here);
    }
    if let Some(restart) = restart(unit).value().filter(|_| !is_once) {
        section.add("", ("restart", restart));
    }
    match (is_once, section.has(if is_once { "timeout" } else { "grace" })) {
        (true, false) => section.add("", ("timeout", "30d")),
        (false, false) => section.add("", ("grace", "90s")),
        (true | false, true) => {}
    }
    env(&mut section, variables);
    Ok(section)
}

/// Everything of `Environment=`, later ones over earlier ones; an empty one takes all back.
fn variables(unit: &Unit<'_>) -> Result<BTreeMap<String, String>, Fault> {
    let mut variables = BTreeMap::new();
    for key in unit.keys("Service").filter(|key| key.name == "Environment") {
        if key.value.is_empty() {
            variables.clear();
        }
        for word in command_line::split_systemd(&key.value).map_err(|message| (key.line, message))? {
            let (name, value) =
                word.split_once('=').ok_or_else(|| (key.line, format!("`{word}` is no variable with a value")))?;
            let value = systemd_words::specifiers(&command_line::escaped(value), &unit.name);
            variables.insert(name.to_owned(), value.map_err(|why| (key.line, why))?);
        }
    }
    Ok(variables)
}

fn one(
    section: &mut Section,
    key: &Key,
    unit: &Unit<'_>,
    context: &Context<'_>,
    here: Surroundings<'_>,
) -> Result<(), String> {
    let (written, value) = (key.written(), key.value.as_str());
    let is_once = section.kind == "processors";
    match key.name.as_str() {
        "ExecStart" => systemd_words::command(section, key, context)?,
        "Environment" | "RestartSec" | "RestartSteps" | "RestartMaxDelaySec" | "StartLimitInterval"
        | "StartLimitBurst" | "NotifyAccess" => section.take(written, ()),
        "Restart" if is_once => {
            section.change(written, "the next tick is the retry; `max_attempts` says otherwise", ());
        }
        "Restart" => match value {
            "no" | "always" | "on-failure" => section.take(written, ()),
            "on-abnormal" | "on-abort" | "on-watchdog" => section.change(written, "after any failure", ()),
            _ => section.lose(written, "a worker is started again always, after a failure, or never"),
        },
        "WorkingDirectory" => {
            let folder = value.trim_start_matches('-');
            let folder = if folder == "~" {
                "${HOME}".to_owned()
            } else {
                systemd_words::specifiers(&command_line::escaped(folder), &unit.name)?
            };
            section.take(written, ("cwd", folder));
        }
        "User" if is_once => {}
        "User" => {
            let group = unit.value("Service", "Group").map(|group| format!(":{group}")).unwrap_or_default();
            user(section, written, &systemd_words::specifiers(&format!("{value}{group}"), &unit.name)?, here);
        }
        "Group" if section.has("user") => section.take(written, ()),
        "Group" => section.lose(written, "it goes with `user`, which needs a master of root"),
        "UMask" if !is_once => section.take(written, ("umask", value)),
        "Type" => kind(section, written, value),
        "TimeoutStartSec" | "RuntimeMaxSec" if is_once => match seconds(value) {
            Some(span) => section.take(written, ("timeout", super::span(span))),
            None => section.take(written, ("timeout", "30d")),
        },
        "RuntimeMaxSec" => match seconds(value) {
            Some(span) => {
                section.change(written, "± 10 %, one worker after the other", ("max_time", super::span(span)));
            }
            None => section.take(written, ("max_time", "off")),
        },
        "TimeoutStartSec" => section.change(written, "a worker is ready when it has started", ()),
        "MemoryMax" | "MemoryLimit" | "MemoryHigh" if !is_once => memory(section, key),
        "StandardOutput" | "StandardError" | "SyslogIdentifier" => {
            section.change(
                written,
                "`queue-work logs NAME` shows it, and a master with `-v` prints it for the journal",
                (),
            );
        }
        "TimeoutStopSec" | "TimeoutSec" | "KillSignal" | "KillMode" | "SendSIGKILL" if !is_once => stop(section, key),
        name => {
            let why = LOST.iter().find(|(lost, _)| *lost == name).map(|(_, why)| *why);
            section.lose(written, why.unwrap_or("it can stand in the unit of the master, for all pools together"));
        }
    }
    Ok(())
}

/// How a worker is told to leave.
fn stop(section: &mut Section, key: &Key) {
    let (written, value) = (key.written(), key.value.as_str());
    match key.name.as_str() {
        "TimeoutStopSec" | "TimeoutSec" => match seconds(value) {
            Some(span) => grace(section, written, span),
            None => section.change(written, "a worker has an end to its patience", ("grace", "1d")),
        },
        "KillSignal" if matches!(value, "SIGKILL" | "KILL") => {
            section.change(
                written,
                "SIGTERM, and SIGKILL at once",
                [("grace", "0s".into()), ("kill_after", "0s".into())],
            );
        }
        "KillSignal" => section.take(written, ("stop_signal", value.trim_start_matches("SIG"))),
        "KillMode" if value == "control-group" => section.take(written, ()),
        "KillMode" => section.change(written, "signals go to the worker with its children", ()),
        "SendSIGKILL" if value == "yes" => section.take(written, ()),
        _ => section.lose(written, "a worker that does not leave is killed in the end"),
    }
}

fn kind(section: &mut Section, written: String, value: &str) {
    match value {
        "simple" | "exec" | "idle" | "oneshot" => section.take(written, ()),
        "notify" | "notify-reload" => section.change(written, "a worker is ready when it has started", ()),
        _ => {
            section
                .lose(written, "the program has to stay in the foreground; look for an option such as `--no-daemon`");
        }
    }
}

fn memory(section: &mut Section, key: &Key) {
    let written = key.written();
    match (key.name.as_str(), key.value.as_str()) {
        ("MemoryHigh", "infinity") => section.take(written, ("memory", "off")),
        (_, "infinity") => section.take(written, ("memory_max", "off")),
        (_, share) if share.ends_with('%') => section.lose(written, "write a size, such as \"512M\""),
        ("MemoryHigh", size) => section.change(written, "a worker above it is replaced", ("memory", size)),
        (_, size) => section.take(written, ("memory_max", size)),
    }
}

/// Without a word on it systemd starts a unit five times in ten seconds, with 100 ms in between.
fn restart(unit: &Unit<'_>) -> Restart {
    let said = |name: &str| unit.value("Service", name).or_else(|| unit.value("Unit", name));
    let on = match said("Restart") {
        Some("always") => "always",
        Some("on-failure" | "on-abnormal" | "on-abort" | "on-watchdog") => "failure",
        _ => "never",
    };
    let burst = said("StartLimitBurst").and_then(|burst| burst.parse().ok()).unwrap_or(5_u32);
    let window = said("StartLimitIntervalSec").or_else(|| said("StartLimitInterval"));
    let window = window.map_or(Some(10.0), seconds).filter(|window| *window > 0.0);
    let wait = said("RestartSec").and_then(seconds).unwrap_or(0.1);
    let most = said("RestartMaxDelaySec").and_then(seconds).unwrap_or(wait);
    Restart {
        on,
        most: window.map(|window| (burst.saturating_sub(1), window)),
        waits: Some((wait, most.max(wait))),
        is_linear: false,
    }
}
