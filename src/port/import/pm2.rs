//! pm2's ecosystem file, as JSON or YAML: each app becomes a pool of opaque workers.

use std::path::Path;

use saphyr::{LoadableYamlNode as _, Scalar, Yaml};
use serde_json::{Map, Value as Json};
use toml::Value;

use super::super::command_line;
use super::super::draft::{Draft, Section};
use super::super::{Broken, Fault, Source, Surroundings};
use super::restart::Restart;
use super::{at_folder, broken, env, grace, has_ending, user};

/// Programs that run a script by its ending.
const INTERPRETERS: [(&str, &str); 8] = [
    ("js", "node"),
    ("cjs", "node"),
    ("mjs", "node"),
    ("py", "python3"),
    ("php", "php"),
    ("rb", "ruby"),
    ("pl", "perl"),
    ("sh", "bash"),
];

/// Keys that `queue-work logs` takes the place of.
const OF_LOGS: [&str; 19] = [
    "out_file",
    "out",
    "output",
    "out_log",
    "error_file",
    "error",
    "err_file",
    "err_log",
    "err",
    "log_file",
    "log",
    "logs",
    "combine_logs",
    "merge_logs",
    "log_type",
    "log_date_format",
    "time",
    "pid_file",
    "pid",
];
/// Keys without a meaning here.
const NO_NEED: [&str; 9] =
    ["automation", "treekill", "vizion", "pmx", "force", "windowsHide", "namespace", "increment_var", "instance_var"];

pub(in super::super) fn read(sources: &[Source], here: Surroundings<'_>, draft: &mut Draft) -> Result<(), Broken> {
    draft.let_workers_live();
    for source in sources {
        let is_yaml = has_ending(&source.name, &["yml", "yaml"]);
        let read = if is_yaml { yaml(&source.text) } else { json(&source.text) };
        let document = read.map_err(|fault| broken(source, fault))?;
        let apps = match document {
            Json::Object(mut all) if all.contains_key("apps") => {
                let apps = all.remove("apps").unwrap_or_default();
                for (key, _) in all {
                    draft.top().lose(format!("{key}: …"), "`queue-work` deploys nothing; keep what does");
                }
                apps
            }
            other => other,
        };
        let apps = if let Json::Array(apps) = apps { apps } else { vec![apps] };
        for app in apps {
            let Json::Object(app) = app else {
                return Err(broken(source, (1, "it has no object with `apps`".to_owned())));
            };
            let sections = pool(&app, here, draft);
            draft.sections.extend(sections.map_err(|message| broken(source, (1, message)))?);
        }
    }
    Ok(())
}

/// JSON in which remarks may stand, as pm2 has it.
fn json(text: &str) -> Result<Json, Fault> {
    let mut plain = String::with_capacity(text.len());
    let (mut rest, mut in_text) = (text, false);
    while let Some(c) = rest.chars().next() {
        let end = match (in_text, rest) {
            (false, rest) if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            (false, rest) if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            _ => 0,
        };
        if end > 0 {
            plain.extend(rest[..end].chars().filter(|c| *c == '\n'));
            rest = &rest[end..];
            continue;
        }
        let length =
            if c == '\\' && in_text { 1 + rest[1..].chars().next().map_or(0, char::len_utf8) } else { c.len_utf8() };
        in_text ^= c == '"';
        plain.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    serde_json::from_str(&plain).map_err(|error| {
        let text = error.to_string();
        (error.line().max(1), text.split(" at line").next().unwrap_or_default().to_owned())
    })
}

fn yaml(text: &str) -> Result<Json, Fault> {
    let documents = Yaml::load_from_str(text).map_err(|error| (error.marker().line(), error.info().to_owned()))?;
    documents.first().map(as_json).ok_or_else(|| (1, "it is empty".to_owned()))
}

fn as_json(yaml: &Yaml<'_>) -> Json {
    match yaml {
        Yaml::Value(Scalar::Boolean(yes)) => Json::from(*yes),
        Yaml::Value(Scalar::Integer(number)) => Json::from(*number),
        Yaml::Value(Scalar::FloatingPoint(number)) => Json::from(number.into_inner()),
        Yaml::Value(Scalar::String(text)) | Yaml::Representation(text, ..) => Json::from(text.as_ref()),
        Yaml::Sequence(list) => list.iter().map(as_json).collect(),
        Yaml::Mapping(table) => {
            table.iter().map(|(key, value)| (text(&as_json(key)), as_json(value))).collect::<Map<_, _>>().into()
        }
        Yaml::Tagged(_, value) => as_json(value),
        Yaml::Value(Scalar::Null) | Yaml::Alias(_) | Yaml::BadValue => Json::Null,
    }
}

/// A value as a variable of the environment has it.
fn text(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Words of one text, or of a list.
fn words(value: &Json) -> Result<Vec<String>, String> {
    match value {
        Json::Array(list) => Ok(list.iter().map(text).collect()),
        other => command_line::split(&text(other)),
    }
}

/// A number of milliseconds, or a time with its unit, in seconds.
fn seconds(value: &Json) -> Option<f64> {
    let milliseconds = value.as_f64().or_else(|| value.as_str()?.parse().ok());
    milliseconds.map(|milliseconds| milliseconds / 1000.0).or_else(|| super::systemd_timer::seconds(value.as_str()?))
}

fn pool(app: &Map<String, Json>, here: Surroundings<'_>, draft: &mut Draft) -> Result<Vec<Section>, String> {
    let said = |names: &[&str]| names.iter().find_map(|name| app.get(*name));
    let script = said(&["script", "exec"]).map(text).ok_or_else(|| "an app has no `script`".to_owned())?;
    let stem = Path::new(&script).file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let name = said(&["name"]).map_or(stem, text);
    let mut section = draft.section("pools", &name);
    section.add("", [("kind", "opaque".into()), ("stop_signal", "INT".into())]);
    let mut more = Vec::new();
    for (key, value) in app {
        let shown = if key.starts_with("env") && value.is_object() { "…".to_owned() } else { value.to_string() };
        let written = format!("{key}: {shown}");
        match key.as_str() {
            "script" | "exec" => section.take(written, ("command", command(&script, &said)?)),
            "name" | "args" | "interpreter" | "exec_interpreter" | "node_args" | "interpreter_args"
            | "interpreterArgs" => {
                section.take(written, ());
            }
            "cron_restart" => match text(value).as_str() {
                "0" | "" => section.take(written, ()),
                cron => {
                    let mut restart = draft.section("processors", &format!("{}_restart", section.name));
                    let argv = command_line::argv(["queue-work", "restart", "--pool", &section.name]);
                    restart.change(
                        written,
                        format!("a processor restarts `{name}`"),
                        [("cron", cron.into()), ("command", argv)],
                    );
                    more.push(restart);
                }
            },
            "env" => {
                let variables = value.as_object().into_iter().flatten();
                let escaped = |text: String| command_line::escaped(&text).into_owned();
                env(&mut section, variables.map(|(name, value)| (name.clone(), escaped(text(value)))));
                section.take(written, ());
            }
            _ if key.starts_with("env_") => {
                // Values may be secrets, which belong in the file alone.
                section.lose(written, "write what is below into `env` where it counts");
                section.add(value.to_string(), ());
            }
            _ => one(&mut section, key, value, written, app, here),
        }
    }
    if !section.has("workers") {
        section.add("", ("workers", 1));
    }
    if !section.has("grace") {
        section.add("", [("grace", "1600ms".into()), ("kill_after", "1600ms".into())]);
    }
    if let Some(restart) = restart(app).value() {
        section.add("", ("restart", restart));
    }
    more.insert(0, section);
    Ok(more)
}

fn command<'a>(script: &str, said: &impl Fn(&[&str]) -> Option<&'a Json>) -> Result<Value, String> {
    let all = |names: &[&str]| said(names).map_or_else(|| Ok(Vec::new()), words);
    let extension = Path::new(script).extension().and_then(|extension| extension.to_str());
    let usual =
        INTERPRETERS.iter().find(|(ending, _)| extension == Some(ending)).map(|(_, program)| (*program).to_owned());
    // A name alone is looked for in PATH.
    let usual = usual.or_else(|| script.contains('/').then(|| "node".to_owned()));
    let interpreter =
        said(&["interpreter", "exec_interpreter"]).map(text).or(usual).filter(|program| program != "none");
    let mut script = script.to_owned();
    let mut argv: Vec<String> = Vec::new();
    match interpreter {
        Some(program) => {
            argv.push(program);
            argv.extend(all(&["node_args", "interpreter_args", "interpreterArgs"])?);
        }
        None => at_folder(&mut script, said(&["cwd"]).and_then(Json::as_str)),
    }
    argv.push(script);
    argv.extend(all(&["args"])?);
    Ok(command_line::argv(argv))
}

fn one(
    section: &mut Section,
    key: &str,
    value: &Json,
    written: String,
    app: &Map<String, Json>,
    here: Surroundings<'_>,
) {
    let is_off = matches!(value, Json::Bool(false) | Json::Null) || value.as_array().is_some_and(Vec::is_empty);
    match key {
        "cwd" => section.take(written, ("cwd", command_line::escaped(&text(value)).into_owned())),
        "instances" => match (value.as_i64(), text(value).as_str()) {
            (Some(count @ 1..), _) => section.take(written, ("workers", count)),
            (Some(0), _) | (_, "max") => section.take(written, ("workers", "cpus")),
            _ => section.change(written, "one for each CPU", ("workers", "cpus")),
        },
        "exec_mode" if text(value).starts_with("fork") => section.take(written, ()),
        "exec_mode" => {
            let how = "each worker is a process of its own; to share a port, make it kind = \"service\" with `listen` and \
                       listen_mode = \"worker\". NODE_APP_INSTANCE is QUEUE_WORK_SLOT here, and counts from 1";
            section.change(written, how, ());
        }
        "max_memory_restart" => section.take(written, ("memory", text(value))),
        "kill_timeout" => grace(section, written, seconds(value).unwrap_or(f64::NAN)),
        "autorestart" | "max_restarts" | "restart_delay" | "exp_backoff_restart_delay" => section.take(written, ()),
        "min_uptime" => section.change(written, "deaths are counted within `window` of `restart`", ()),
        "user" | "uid" => {
            let group = app.get("gid").map(|group| format!(":{}", text(group))).unwrap_or_default();
            user(section, written, &format!("{}{group}", text(value)), here);
        }
        "gid" if app.contains_key("uid") || app.contains_key("user") => section.take(written, ()),
        "wait_ready" | "listen_timeout" | "shutdown_with_message" | "watch" | "source_map_support" | "filter_env"
            if is_off =>
        {
            section.take(written, ());
        }
        "wait_ready" | "listen_timeout" => section.lose(written, "an opaque worker is ready when it has started"),
        "shutdown_with_message" => section.lose(written, "a worker is told to leave by `stop_signal`"),
        "watch" | "ignore_watch" | "watch_delay" | "watch_options" => {
            section.lose(written, "files are not watched; `queue-work restart --pool NAME` takes over what is new");
        }
        "source_map_support" => section.lose(written, "write \"--enable-source-maps\" behind \"node\" in `command`"),
        "stop_exit_codes" => section.lose(written, "`restart` is \"always\", after a \"failure\", or \"never\""),
        key if OF_LOGS.contains(&key) => {
            section.change(written, "`queue-work logs NAME` shows it, with `-t` and its times", ());
        }
        key if NO_NEED.contains(&key) => section.change(written, "there is no need of it", ()),
        _ => section.lose(written, "pm2 has no such key"),
    }
}

/// pm2 gives up after 16 restarts of an app that does not live for a second.
fn restart(app: &Map<String, Json>) -> Restart {
    let is_off = app.get("autorestart").is_some_and(|value| *value == Json::Bool(false));
    let number = |key: &str| app.get(key).and_then(seconds).map(|seconds| (seconds * 1000.0) as u32);
    let most = number("max_restarts").unwrap_or(16).min(1000);
    let uptime = app.get("min_uptime").and_then(seconds).unwrap_or(1.0).max(0.1);
    let delay = app.get("restart_delay").and_then(seconds).unwrap_or(0.0);
    let growing = app.get("exp_backoff_restart_delay").and_then(seconds).filter(|delay| *delay > 0.0);
    let window = f64::from(most + 1) * (uptime + delay);
    Restart {
        on: if is_off { "never" } else { "always" },
        most: growing.is_none().then_some((most, window)),
        waits: Some(growing.map_or((delay, delay), |delay| (delay, 15.0))),
        is_linear: false,
    }
}
