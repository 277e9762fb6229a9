//! Procfile: each line becomes a pool of one opaque worker, with the PORT that foreman gives it; .env is in the environment of all.

use super::super::command_line;
use super::super::draft::{Draft, Section};
use super::super::{Broken, Fault, Source};
use super::{broken, env, has_ending};

/// The port of the first line; each further one has a hundred more.
const FIRST_PORT: usize = 5000;

pub(in super::super) fn read(sources: &[Source], draft: &mut Draft) -> Result<(), Broken> {
    let is_env = |source: &&Source| {
        source.name == ".env" || has_ending(&source.name, &["env"]) || source.name.ends_with("/.env")
    };
    let mut variables = Vec::new();
    for source in sources.iter().filter(is_env) {
        variables.extend(dot_env(&source.text).map_err(|fault| broken(source, fault))?);
    }
    draft.let_workers_live();
    draft.defaults().add("a worker that ends is started again; foreman would end all of them", ());
    for (name, value) in &variables {
        let how = "stands in `env` of each pool below";
        // Values may be secrets, and are shown once only.
        draft.defaults().change(if value.is_empty() { format!("{name}=") } else { format!("{name}=…") }, how, ());
    }
    for source in sources.iter().filter(|source| !is_env(source)) {
        let lines = lines(&source.text).map_err(|fault| broken(source, fault))?;
        for (index, (name, command)) in lines.into_iter().enumerate() {
            let section = pool(draft, name, command, FIRST_PORT + 100 * index, &variables);
            draft.sections.push(section);
        }
    }
    Ok(())
}

fn pool(draft: &mut Draft, name: &str, command: &str, port: usize, variables: &[(String, String)]) -> Section {
    if name == "release" {
        let mut section = Section::new("pools", name);
        section.lose(format!("{name}: {command}"), "it is run once before a start; do that where you deploy");
        return section;
    }
    let mut section = draft.section("pools", name);
    section.add("", [("kind", "opaque".into()), ("workers", 1.into())]);
    section.take(format!("{name}: {command}"), ("command", command_line::of_shell("sh", command)));
    let own = ("PORT".to_owned(), port.to_string());
    env(&mut section, variables.iter().filter(|(name, _)| name != "PORT").cloned().chain([own]));
    section
}

/// Names with their commands.
fn lines(text: &str) -> Result<Vec<(&str, &str)>, Fault> {
    let is_name =
        |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    let mut out = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let found = line.split_once(':').map(|(name, command)| (name.trim(), command.trim()));
        match found {
            Some((name, command)) if is_name(name) && !command.is_empty() => out.push((name, command)),
            _ => return Err((number + 1, format!("`{line}` is no `name: command`"))),
        }
    }
    Ok(out)
}

/// Variables of a .env: nothing in a value is filled in, and within double quotes `\` takes away the meaning of a sign.
pub(super) fn dot_env(text: &str) -> Result<Vec<(String, String)>, Fault> {
    let mut out = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line);
        let (name, value) = line.split_once('=').ok_or_else(|| (number + 1, format!("`{line}` is no NAME=value")))?;
        let value = value.trim();
        let inside =
            |quote: char| value.strip_prefix(quote).and_then(|value| value.rfind(quote).map(|end| &value[..end]));
        let value = match (inside('"'), inside('\'')) {
            (Some(value), _) => unescaped(value),
            (None, Some(value)) => value.to_owned(),
            (None, None) => value.split(" #").next().unwrap_or_default().trim_end().to_owned(),
        };
        out.push((name.trim().to_owned(), command_line::escaped(&value).into_owned()));
    }
    Ok(out)
}

fn unescaped(value: &str) -> String {
    let (mut out, mut rest) = (String::new(), value.chars());
    while let Some(c) = rest.next() {
        out.push(match (c, rest.clone().next()) {
            ('\\', Some('n')) => rest.next().map_or(c, |_| '\n'),
            ('\\', Some(next)) => rest.next().map_or(c, |_| next),
            _ => c,
        });
    }
    out
}
