//! Command lines of systemd: signs before the program, variables, specifiers.

use std::collections::BTreeMap;

use super::super::command_line;
use super::super::draft::Section;
use super::super::ini::Key;

/// What a command line is read with.
pub(super) struct Context<'a> {
    /// The name of the unit without its ending.
    pub(super) unit: &'a str,
    /// As texts of the configuration.
    pub(super) env: &'a BTreeMap<String, String>,
}

pub(super) fn command(section: &mut Section, key: &Key, context: &Context<'_>) -> Result<(), String> {
    if key.value.is_empty() {
        return Ok(());
    }
    let line = key.value.trim_start_matches(['-', '@', ':', '+', '!', '|']);
    let signs = &key.value[..key.value.len() - line.len()];
    let split = command_line::split_systemd(line)?;
    let mut command = Vec::new();
    let mut is_open = false;
    for word in split {
        let word = specifiers(&word, context.unit)?;
        let whole = word.strip_prefix('$').filter(|name| is_name(name));
        if let Some(name) = whole {
            // A variable that is a word of its own becomes as many words as it has.
            let value = context.env.get(name);
            is_open |= value.is_none();
            let one = || vec![format!("${{{name}}}")];
            command.extend(value.map_or_else(one, |value| value.split_whitespace().map(str::to_owned).collect()));
        } else {
            let (word, has_all) = fill(&word, context.env);
            is_open |= !has_all;
            command.push(word);
        }
    }
    if command.is_empty() {
        return Err("the command is empty".to_owned());
    }
    let written = key.written();
    if section.has("command") {
        section.lose(written, "one command only; write [\"sh\", \"-c\", \"one && two\"]");
    } else if signs.contains('@') {
        // The word after the program is the name that it is called by.
        command.drain(1..command.len().min(2));
        section.change(written, "a program is called by its own name", ("command", command_line::filled_argv(command)));
    } else if signs.contains(['+', '!']) {
        section.change(
            written,
            "a worker has the rights of the master, or those of `user`",
            ("command", command_line::filled_argv(command)),
        );
    } else if signs.contains('-') {
        section.change(written, "`-` has no like: a failure is one", ("command", command_line::filled_argv(command)));
    } else if is_open {
        let how = "variables that the unit does not set have to be set for the master, and are one word each";
        section.change(written, how, ("command", command_line::filled_argv(command)));
    } else {
        section.take(written, ("command", command_line::filled_argv(command)));
    }
    Ok(())
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Fills in `${NAME}` of the unit; others stay variables, of the environment of the master, and whether there are none is
/// said. `$$` is the sign.
fn fill(word: &str, env: &BTreeMap<String, String>) -> (String, bool) {
    let (mut out, mut rest, mut has_all) = (String::new(), word, true);
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        let braced = after.strip_prefix('{').and_then(|after| after.split_once('}')).filter(|(name, _)| is_name(name));
        rest = match (after.strip_prefix('$'), braced) {
            (Some(after), _) => {
                out.push_str(if after.starts_with('{') { "$$" } else { "$" });
                after
            }
            (None, Some((name, after))) => {
                has_all &= env.contains_key(name);
                out.push_str(env.get(name).unwrap_or(&format!("${{{name}}}")));
                after
            }
            (None, None) => {
                out.push('$');
                after
            }
        };
    }
    (out + rest, has_all)
}

/// Fills in what `%` stands for; the user and the machine are those of the master.
pub(super) fn specifiers(text: &str, unit: &str) -> Result<String, String> {
    let (prefix, instance) = unit.split_once('@').unwrap_or((unit, ""));
    let (mut out, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        let letter = after.chars().next().unwrap_or(' ');
        match letter {
            '%' => out.push('%'),
            'n' => out.extend([unit, ".service"]),
            'N' => out.push_str(unit),
            'p' => out.push_str(prefix),
            'i' | 'I' if !instance.is_empty() => out.push_str(instance),
            'h' => out.push_str("${HOME}"),
            'u' => out.push_str("${USER}"),
            'H' => out.push_str("${HOSTNAME}"),
            't' => out.push_str("${XDG_RUNTIME_DIR:-/run}"),
            'S' => out.push_str("/var/lib"),
            'L' => out.push_str("/var/log"),
            'C' => out.push_str("/var/cache"),
            'E' => out.push_str("/etc"),
            'T' => out.push_str("/tmp"),
            'i' | 'I' => {
                return Err(format!("`%{letter}` in `{text}` is of an instance; name the file NAME@INSTANCE.service"));
            }
            _ => return Err(format!("`%{letter}` in `{text}` cannot be filled in; write what it stands for")),
        }
        rest = &after[letter.len_utf8()..];
    }
    Ok(out + rest)
}
