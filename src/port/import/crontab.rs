//! A crontab: each line becomes a processor that does as cron does, at the same times, with the same shell.

use toml::Value;

use super::super::command_line;
use super::super::draft::{Draft, Section};
use super::super::{Broken, Source, Surroundings};
use super::{as_user, broken, env, folder_of};

/// Programs whose first argument says more than their own name.
const INTERPRETERS: [&str; 16] = [
    "sh", "bash", "dash", "zsh", "php", "python", "python3", "ruby", "perl", "node", "nice", "ionice", "sudo", "env",
    "nohup", "timeout",
];
/// Words by which a schedule can be named.
const NAMED: [&str; 8] = ["@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly", "@reboot"];

/// What the lines above have set.
#[derive(Clone)]
struct Setting {
    shell: String,
    timezone: Option<String>,
    home: Option<String>,
    env: Vec<(String, String)>,
}

pub(in super::super) fn read(sources: &[Source], here: Surroundings<'_>, draft: &mut Draft) -> Result<(), Broken> {
    draft.defaults().add(
        "what cron does: a time at which it does not run is missed, and a run may begin while the one before \
         is not over. `missed = \"once\"` and `overlap = \"skip\"`, the defaults, are often better.",
        (),
    );
    for source in sources {
        let folder = folder_of(source, here);
        // Files of the system have a column of users.
        let has_users = folder.ends_with("cron.d") || folder.ends_with("etc");
        let mut setting = Setting { shell: "/bin/sh".to_owned(), timezone: None, home: None, env: Vec::new() };
        let mut remark = None;
        for (number, line) in source.text.lines().enumerate() {
            let line = line.trim_start();
            if let Some(text) = line.strip_prefix('#') {
                remark = Some(text.trim().to_owned()).filter(|text| !text.is_empty());
            } else if line.is_empty() {
                remark = None;
            } else if let Some((name, value)) = assignment(line) {
                set(&mut setting, name, value, draft.defaults());
            } else {
                let wrong = || {
                    broken(
                        source,
                        (number + 1, format!("`{line}` is neither a schedule with a command nor NAME=value")),
                    )
                };
                let task = Task::read(line, has_users).ok_or_else(wrong)?;
                let section = processor(&task, &setting, remark.take(), here, draft);
                draft.sections.push(section);
            }
        }
    }
    Ok(())
}

/// A variable, in quotes or not.
fn assignment(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once('=')?;
    let name = name.trim().trim_matches(['"', '\'']);
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let value = value.trim();
    let inside = |quote| value.strip_prefix(quote).and_then(|value: &str| value.strip_suffix(quote));
    is_name.then_some((name, inside('"').or_else(|| inside('\'')).unwrap_or(value)))
}

fn set(setting: &mut Setting, name: &str, value: &str, defaults: &mut Section) {
    let written = format!("{name}={value}");
    let value = command_line::escaped(value).into_owned();
    match name {
        "SHELL" => {
            defaults.take(written, ());
            setting.shell = value;
        }
        "CRON_TZ" => {
            defaults.change(written, "it is `timezone` below", ());
            setting.timezone = Some(value);
        }
        "MAILTO" if value.is_empty() => defaults.take(written, ()),
        "MAILTO" | "MAILFROM" => {
            defaults.lose(
                written,
                "no mail is sent; `on_dead` in [pools.processors] can, see `queue-work processors runs`",
            );
        }
        "RANDOM_DELAY" => defaults.lose(written, "write `jitter` in each processor"),
        _ => {
            if name == "HOME" {
                setting.home = Some(value.clone());
            }
            defaults.change(written, "stands in `env` of each processor below", ());
            setting.env.retain(|(known, _)| known != name);
            setting.env.push((name.to_owned(), value));
        }
    }
}

/// A line that runs something.
struct Task<'l> {
    line: &'l str,
    schedule: String,
    user: Option<&'l str>,
    command: String,
    /// What it reads, by lines.
    input: Option<String>,
}

impl<'l> Task<'l> {
    fn read(line: &'l str, has_users: bool) -> Option<Self> {
        let fields = if line.starts_with('@') { 1 } else { 5 };
        let (schedule, mut rest) = after(line, fields)?;
        let mut user = None;
        if has_users {
            (user, rest) = after(rest, 1).map(|(user, rest)| (Some(user), rest))?;
        }
        let is_schedule = match fields {
            1 => NAMED.contains(&schedule),
            _ => schedule.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '*' | '-')),
        };
        let (command, input) = at_percent(rest);
        let schedule = schedule.split_whitespace().collect::<Vec<_>>().join(" ");
        (is_schedule && !command.is_empty()).then_some(Self { line, schedule, user, command, input })
    }
}

/// The first words, and what follows them.
fn after(line: &str, words: usize) -> Option<(&str, &str)> {
    let mut rest = line;
    for _ in 0..words {
        let end = rest.find(char::is_whitespace)?;
        rest = rest[end..].trim_start();
    }
    Some((line[..line.len() - rest.len()].trim_end(), rest))
}

/// `%` ends the command; what follows is its input, where each further `%` is the end of a line.
fn at_percent(text: &str) -> (String, Option<String>) {
    let (mut parts, mut has_slash) = (vec![String::new()], false);
    for c in text.trim_end().chars() {
        match (c, parts.last_mut()) {
            ('%', Some(part)) if has_slash => {
                part.pop();
                part.push('%');
            }
            ('%', _) => parts.push(String::new()),
            (c, Some(part)) => part.push(c),
            (_, None) => {}
        }
        has_slash = c == '\\';
    }
    let input = (parts.len() > 1).then(|| parts[1..].join("\n"));
    (parts.swap_remove(0), input)
}

fn processor(
    task: &Task<'_>,
    setting: &Setting,
    remark: Option<String>,
    here: Surroundings<'_>,
    draft: &mut Draft,
) -> Section {
    let name = name_of(&task.command);
    let mut section = draft.section("processors", &name);
    // The name is our own choice.
    section.items.clear();
    if let Some(remark) = remark.filter(|remark| !remark.chars().any(char::is_control)) {
        section.add("", ("description", command_line::escaped(&remark).into_owned()));
    }
    let zone = setting.timezone.as_ref().filter(|_| !task.schedule.starts_with("@reboot"));
    if task.schedule == "@reboot" {
        section.change(task.line, "it runs when the master starts", ("run_at_start", true));
    } else if task.schedule.starts_with('-') {
        section.change(task.line, "output is on record all the same", ("cron", &task.schedule[1..]));
    } else {
        section.take(task.line, ("cron", task.schedule.as_str()));
    }
    if let Some(zone) = zone {
        section.add("", ("timezone", zone.as_str()));
    }
    let command = match &task.input {
        None => command_line::of_shell(&setting.shell, &task.command),
        Some(input) => {
            let mut end = "END".to_owned();
            while input.lines().any(|line| line == end) {
                end.push('_');
            }
            command_line::argv([&*setting.shell, "-c", &format!("{{ {}\n}} <<'{end}'\n{input}\n{end}\n", task.command)])
        }
    };
    let home = setting.home.clone().unwrap_or_else(|| "${HOME}".to_owned());
    section.add("", [("command", command), ("cwd", Value::from(home))]);
    if let Some(user) = task.user {
        as_user(&mut section, format!("user {user}"), user, here);
    }
    env(&mut section, setting.env.clone());
    section.add("", [("overlap", "allow".into()), ("missed", "skip".into()), ("timeout", "30d".into())]);
    section
}

/// A name for what runs: that of the script, without its folder and ending.
fn name_of(command: &str) -> String {
    let words = command_line::split(command).unwrap_or_default();
    let is_said =
        |word: &&String| !word.contains('=') && !word.starts_with('-') && !word.chars().all(|c| c.is_ascii_digit());
    let mut said = words.iter().filter(is_said);
    let base = |word: &String| word.rsplit('/').next().unwrap_or_default().to_owned();
    let Some(first) = said.next() else { return "task".to_owned() };
    // What is done before, or only asked.
    let is_before = matches!(words.first().map(String::as_str), Some("cd" | "[" | "test" | "command"));
    let rest = ["&&", "||"].iter().filter_map(|sign| command.split_once(sign)).map(|(_, rest)| rest);
    if let Some(rest) = rest.max_by_key(|rest| rest.len()).filter(|_| is_before) {
        return name_of(rest);
    }
    let name = if INTERPRETERS.contains(&base(first).as_str()) { said.next().unwrap_or(first) } else { first };
    let name = base(name);
    match (name.as_str(), said.next()) {
        ("artisan" | "console", Some(task)) => task.replace(':', "_"),
        _ => name.rsplit_once('.').map_or(name.clone(), |(stem, _)| stem.to_owned()),
    }
}
