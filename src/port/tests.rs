//! What is exported is imported as the same, whatever is in a path; and the manual has the unit that is exported.

use std::path::Path;
use std::time::Duration;

use toml::{Table, Value};

use super::*;

fn here() -> Surroundings<'static> {
    Surroundings { folder: Path::new("/srv/app"), is_root: true }
}

fn plan(folder: &str) -> Plan {
    Plan {
        program: "/usr/local/bin/queue-work".to_owned(),
        config: Some(format!("{folder}/queue-work.toml")),
        folder: folder.to_owned(),
        user: Some("app".to_owned()),
        database: "/var/lib/queue-work/queue-work.db".to_owned(),
        is_on_server: false,
        longest_stop: Duration::from_secs(35),
        variables: Vec::new(),
        processors: Vec::new(),
    }
}

/// The command and the folder of the only pool or processor.
fn back(system: System, format: Format, plan: &Plan) -> (Vec<String>, String) {
    let made = export(format, plan).expect("it can be written");
    let source = Source { name: made.name.to_owned(), text: made.text.clone() };
    let imported = import(system, &[source], here()).unwrap_or_else(|broken| panic!("{broken}\n{}", made.text));
    let toml: Table = imported.toml.parse().expect("it is valid");
    let table = toml.get("pools").or(toml.get("processors")).and_then(Value::as_table).expect("a table");
    let own = table.values().next().and_then(Value::as_table).unwrap_or_else(|| panic!("none in {}", imported.toml));
    let meant = |value: &Value| value.as_str().expect("a text").replace("$${", "${");
    let command = own["command"].as_array().expect("a list").iter().map(meant).collect();
    (command, meant(&own["cwd"]))
}

#[test]
fn a_command_comes_back_from_each_system_as_it_was_exported() {
    for folder in ["/srv/app", "/srv/my app", "/srv/100%", "/a$b/${C}", "/it's \"so\"", "/back\\slash", "/%(x)s %h;"] {
        let plan = plan(folder);
        let command: Vec<String> = plan.command(&[]).into_iter().map(str::to_owned).collect();
        for (system, format) in [(System::Supervisor, Format::Supervisor), (System::Systemd, Format::Systemd)] {
            assert_eq!(back(system, format, &plan), (command.clone(), folder.to_owned()), "{format:?}");
        }
        let (command, _) = back(System::Crontab, Format::Crontab, &plan);
        let script = command.last().expect("a script");
        let words = shlex::split(script).expect("a shell reads it");
        assert_eq!((&*words[0], &*words[1]), ("cd", folder), "{script}");
        assert_eq!(words[4..], [plan.command(&["-q"])].concat(), "{script}");
    }
}

#[test]
fn a_path_that_a_system_cannot_have_is_refused() {
    assert!(export(Format::Supervisor, &plan("/a ;b")).is_err());
    assert!(export(Format::Systemd, &plan("/a\nb")).is_err());
}

#[test]
fn the_manual_has_the_unit_that_is_exported() {
    let manual = include_str!("../../docs/production.md");
    let (_, block) = manual.split_once("```ini\n").expect("a unit");
    let (unit, _) = block.split_once("```").expect("its end");
    let config = Some("/etc/queue-work/queue-work.toml".to_owned());
    let made = export(Format::Systemd, &Plan { config, ..plan("/srv/app") }).expect("it can be written");
    assert_eq!(made.text.split_once('\n').expect("a remark").1, unit);
}

#[test]
fn what_the_reader_of_configurations_refuses_becomes_a_remark_with_the_reason() {
    let text = "[program:a]\ncommand=a\nnumprocs=20000\numask=999\n".to_owned();
    let made =
        import(System::Supervisor, &[Source { name: "a.conf".to_owned(), text }], here()).expect("it can be read");
    let lost: Vec<&str> = made.lost.iter().map(|lost| lost.key.as_str()).collect();
    assert_eq!(lost, ["numprocs=20000", "umask=999"], "{}", made.toml);
    assert!(made.toml.contains("\n# workers = 20000\n"), "{}", made.toml);
}

#[test]
fn compose_is_yaml_with_the_time_of_a_stop() {
    use saphyr::{LoadableYamlNode as _, Yaml};
    let made = export(Format::Compose, &plan("/srv/app")).expect("it can be written");
    let read = Yaml::load_from_str(&made.text).expect("it is valid");
    assert_eq!(read[0]["services"]["queue-work"]["stop_grace_period"].as_str(), Some("45s"));
}

#[test]
fn a_container_leaves_a_store_on_a_server_where_it_is() {
    let here = export(Format::Docker, &plan("/srv/app")).expect("it can be written").text;
    assert!(here.contains("\nENV QUEUE_WORK_DATABASE=/var/lib/queue-work/queue-work.db\n"), "{here}");
    let plan = Plan { is_on_server: true, database: "postgres://db/app".to_owned(), ..plan("/srv/app") };
    let there = export(Format::Docker, &plan).expect("it can be written").text;
    assert!(there.contains("\nENV XDG_STATE_HOME=/var/lib\n") && !there.contains("QUEUE_WORK_DATABASE"), "{there}");
    let compose = export(Format::Compose, &plan).expect("it can be written").text;
    assert!(compose.contains("\n    hostname: queue-work\n"), "{compose}");
}
