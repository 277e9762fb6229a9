//! supervisord.conf: each program becomes a pool of opaque workers.

use std::collections::BTreeMap;

use toml::Value;

use super::super::command_line;
use super::super::draft::{Draft, Section};
use super::super::ini::{self, Dialect, Key};
use super::super::{Broken, Source, Surroundings};
use super::supervisor_program::{self, Common};
use super::{broken, folder_of};

/// A section with the file that it stands in.
struct Found<'s> {
    source: &'s Source,
    name: String,
    keys: Vec<Key>,
}

/// Sections of supervisor itself that have their like here, by how they begin.
const OF_ITSELF: [(&str, &str); 4] = [
    ("unix_http_server", "the control socket is beside the database; `socket` and `socket_group` say otherwise"),
    ("inet_http_server", "`listen` in [web] shows a page in the browser, with tokens in place of a password"),
    ("supervisorctl", "`queue-work status`, `restart`, `stop` and `logs` find the master by themselves"),
    ("rpcinterface:", "the control socket is there without it"),
];

/// Sections that cannot become pools.
const NOT_POSSIBLE: [(&str, &str); 2] = [
    ("eventlistener:", "no worker is told what happens; see `queue-work events -f`, and `on_dead` for jobs"),
    ("fcgi-program:", "no worker is given a socket as its stdin; let the program listen itself, as kind = \"opaque\""),
];

pub(in super::super) fn read(sources: &[Source], here: Surroundings<'_>, draft: &mut Draft) -> Result<(), Broken> {
    let mut found = Vec::new();
    for source in sources {
        let sections = ini::read(&source.text, Dialect::Supervisor).map_err(|fault| broken(source, fault))?;
        found.extend(sections.into_iter().map(|section| Found { source, name: section.name, keys: section.keys }));
    }
    draft.let_workers_live();
    let mut common = Common::new(here, groups(&found));
    for section in found.iter().filter(|section| section.name == "supervisord") {
        supervisord(section, &mut common, draft)?;
    }
    let mut programs = Vec::new();
    for section in &found {
        match section.name.split_once(':') {
            Some(("program", name)) => {
                common.folder = folder_of(section.source, here).to_string_lossy().into_owned();
                let made = supervisor_program::read(name.trim(), &section.keys, &mut common, draft);
                programs.push(made.map_err(|fault| broken(section.source, fault))?);
            }
            _ if section.name == "supervisord" => {}
            _ => other(section, draft.top()),
        }
    }
    supervisor_program::order(&mut programs);
    draft.sections.extend(programs.into_iter().map(|program| program.section));
    Ok(())
}

/// The group of each program.
fn groups(found: &[Found<'_>]) -> BTreeMap<String, String> {
    let mut groups = BTreeMap::new();
    for section in found {
        let Some(group) = section.name.strip_prefix("group:") else { continue };
        let programs = section.keys.iter().filter(|key| key.name == "programs");
        let names = programs.flat_map(|key| key.value.split(',')).map(|name| name.trim().to_owned());
        groups.extend(names.map(|name| (name, group.trim().to_owned())));
    }
    groups
}

/// A section that is no program.
fn other(section: &Found<'_>, top: &mut Section) {
    let is = |list: &[(&'static str, &'static str)]| {
        let found = list.iter().find(|(begins, _)| section.name.starts_with(begins));
        found.map(|(_, words)| (*words).to_owned())
    };
    let written = format!("[{}]", section.name);
    if let Some(how) = is(&OF_ITSELF) {
        top.change(written, how, ());
    } else if let Some(why) = is(&NOT_POSSIBLE) {
        top.lose(written, why);
    } else if section.name == "include" {
        for key in &section.keys {
            top.lose(
                key.written(),
                "name these files, too: `queue-work import supervisor supervisord.conf conf.d/*.conf`",
            );
        }
    } else if section.name.starts_with("group:") {
        for key in &section.keys {
            let written = format!("{written} {}", key.written());
            match key.name.as_str() {
                "programs" => {
                    let pools = key.value.split(',').map(|name| format!("`queue-work restart --pool {}`", name.trim()));
                    let how = format!("a verb takes one at a time: {}", pools.collect::<Vec<_>>().join(", "));
                    top.change(written, how, ());
                }
                _ => top.lose(written, "write `needs` in each pool, with the pools that have workers before it"),
            }
        }
    } else {
        top.lose(written, "supervisor has no such section");
    }
}

/// Settings of supervisord itself; some are those of every program.
fn supervisord(section: &Found<'_>, common: &mut Common<'_>, draft: &mut Draft) -> Result<(), Broken> {
    common.folder = folder_of(section.source, common.here).to_string_lossy().into_owned();
    let top = draft.top();
    for key in &section.keys {
        let written = format!("[supervisord] {}", key.written());
        match key.name.as_str() {
            "environment" => {
                let fault = |message| broken(section.source, (key.line, message));
                let expanded = common.expand(&command_line::escaped(&key.value), "").map_err(fault)?;
                common.env = supervisor_program::variables(&expanded).map_err(fault)?;
                top.change(written, "stands in `env` of each pool below", ());
            }
            "umask" => {
                common.umask = Some(key.value.clone());
                top.change(written, "stands in each pool below", ());
            }
            "directory" => {
                common.directory = Some(key.value.clone());
                top.change(written, "stands as `cwd` in each pool below", ());
            }
            "nodaemon" if supervisor_program::is_on(&key.value) => top.take(written, ()),
            "nodaemon" => {
                top.change(
                    written,
                    "the master stays in the foreground; `queue-work export systemd` writes a unit",
                    (),
                );
            }
            "user" if key.value == "root" && common.here.is_root => top.take(written, ()),
            "user" => top.lose(written, "start the master as this user"),
            "minfds" | "minprocs" => top.change(written, "limits are raised as far as the workers need them", ()),
            "logfile" | "logfile_maxbytes" | "logfile_backups" | "loglevel" | "silent" => {
                top.change(written, "the master says what happens on stderr; `queue-work events` has it on record", ());
            }
            "childlogdir" => {
                top.change(written, "`log_dir` says where the output of workers is, beside the database as a rule", ());
            }
            "pidfile" => {
                top.change(written, "`queue-work status --json` has the pid, and there is one master per database", ());
            }
            "nocleanup" | "strip_ansi" | "identifier" => top.change(written, "there is no need of it", ()),
            _ => top.lose(written, "supervisor has no such key here"),
        }
    }
    Ok(())
}

/// One size of files for all pools.
pub(super) fn log_size(key: &Key, sizes: &mut BTreeMap<&'static str, Value>, section: &mut Section) {
    let written = key.written();
    let number = |text: &str| text.parse::<i64>().ok().filter(|number| *number > 0);
    let (name, value) = if key.name.ends_with("backups") {
        ("log_files", number(&key.value).map(|backups| Value::from(backups + 1)))
    } else {
        let bytes = crate::config::units::bytes(&key.value).ok().filter(|bytes| *bytes > 0);
        ("log_file_size", bytes.map(|_| Value::from(key.value.as_str())))
    };
    match (value, sizes.get(name)) {
        (None, _) => section.lose(written, format!("files have an end here; `{name}` says where")),
        (Some(value), Some(said)) if *said != value => {
            section.lose(written, format!("all pools have the same `{name}`, and another one says {said}"));
        }
        (Some(value), _) => {
            sizes.insert(name, value);
            section.change(written, format!("it is `{name}` at the top, for all pools"), ());
        }
    }
}
