//! What `export` writes is taken by the programs that read it: systemd, a shell as cron starts it, a parser of property lists.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use queue_work::testing::port::{Format, Plan};

use super::support::{Bench, DEADLINE};

/// A folder with everything in its name that a format could read in another way, and a configuration with a pool in it.
fn awkward(bench: &Bench) -> PathBuf {
    let folder = bench.path().join("my app 100% $HOME 'x'");
    fs::create_dir(&folder).expect("made");
    let config = "[pools.naps]\nkind = \"opaque\"\nworkers = 2\ncommand = [\"sleep\", \"1000\"]\ngrace = \"70s\"\n";
    fs::write(folder.join("queue-work.toml"), config).expect("written");
    folder
}

fn export(bench: &Bench, folder: &std::path::Path, format: &str) -> PathBuf {
    let config = folder.join("queue-work.toml");
    bench.ok(&["--config", &config.to_string_lossy(), "export", format, "-o", &bench.path().to_string_lossy()]);
    let name = match format {
        "systemd" => "queue-work.service",
        "launchd" => "queue-work.plist",
        _ => "queue-work.crontab",
    };
    bench.path().join(name)
}

#[test]
fn systemd_has_nothing_against_the_unit() {
    let bench = Bench::new();
    let unit = export(&bench, &awkward(&bench), "systemd");
    let text = fs::read_to_string(&unit).expect("read");
    assert!(text.contains("\nTimeoutStopSec=85\n"), "{text}");
    let Ok(out) = Command::new("systemd-analyze").arg("verify").arg(&unit).output() else {
        eprintln!("SKIPPED: systemd-analyze is not installed (package `systemd`)");
        return;
    };
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success() && said.is_empty(), "{said}\n{text}");
}

#[test]
fn a_unit_has_no_path_through_a_folder_above() {
    let bench = Bench::new();
    let folder = awkward(&bench);
    fs::create_dir(folder.join("deep")).expect("made");
    let config = folder.join("deep/../queue-work.toml");
    let unit = bench.ok(&["--config", &config.to_string_lossy(), "export", "systemd"]);
    assert!(!unit.contains("/..") && unit.contains("/queue-work.toml"), "{unit}");
}

#[test]
fn the_unit_of_the_packages_begins_as_what_is_exported() {
    let text = String::from;
    let plan = Plan {
        program: text("/usr/bin/queue-work"),
        config: Some(text("/etc/queue-work/queue-work.toml")),
        folder: text("/var/lib/queue-work"),
        user: Some(text("queue-work")),
        database: text("/var/lib/queue-work/queue-work.db"),
        is_on_server: false,
        longest_stop: Duration::from_secs(35),
        variables: vec![],
        processors: vec![],
    };
    let exported = queue_work::testing::port::export(Format::Systemd, &plan).expect("a unit").text;
    let mut packaged = include_str!("../../packaging/queue-work.service").lines();
    for line in exported.lines().filter(|line| !line.starts_with('#')) {
        assert!(packaged.any(|found| found == line), "`{line}` is not where it is in:\n{exported}");
    }
}

#[test]
fn the_line_of_a_crontab_starts_the_master() {
    let bench = Bench::new();
    let file = export(&bench, &awkward(&bench), "crontab");
    let text = fs::read_to_string(file).expect("read");
    let line = text.lines().find_map(|line| line.strip_prefix("@reboot ")).expect("a line");
    // As cron does.
    let command = line.replace("\\%", "%");
    let own = bench.std_command();
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", &command]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).current_dir("/");
    shell.envs(own.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let mut master = shell.spawn().expect("it starts");
    bench.wait_for("two workers", DEADLINE, |bench| bench.status()["pools"][0]["ready"] == 2);
    bench.ok(&["stop"]);
    assert!(master.wait().expect("our child").success());
}

#[test]
fn the_property_list_holds_the_command_as_it_is() {
    let bench = Bench::new();
    let folder = awkward(&bench);
    let file = export(&bench, &folder, "launchd");
    let read = "import json,plistlib,sys; print(json.dumps(plistlib.load(open(sys.argv[1],'rb'))))";
    let out = Command::new("python3").args(["-c", read]).arg(file).output().expect("python3 is installed");
    let list: serde_json::Value = serde_json::from_slice(&out.stdout).expect("a property list");
    let config = folder.join("queue-work.toml");
    assert_eq!(list["ProgramArguments"][2], config.to_str().expect("a text"), "{list}");
    assert_eq!((&list["WorkingDirectory"], &list["ExitTimeOut"]), (&folder.to_str().into(), &85.into()));
}
