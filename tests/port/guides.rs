//! The commands of the guides in docs/migrating.md: each that stands in a table is run, in its order, beside a master.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::support::{Bench, DEADLINE};

const CONFIG: &str = "[pools.mail]\nworkers = 2\nkind = \"exec\"\ncommand = [\"echo\", \"mail\"]\n\n[pools.default]\nworkers = 2\n\n\
                      [processors.report]\ncron = \"@yearly\"\ncommand = [\"true\"]\n";
/// Commands that stay, need a terminal, or are the master itself.
const NOT_RUN: [&str; 5] =
    ["queue-work", "queue-work top", "queue-work work", "queue-work --workers", "queue-work import"];

/// The code in the columns of a row but the first that begins with the program, or pipes into it.
fn commands(row: &str) -> Vec<String> {
    let row = row.replace("\\|", "\u{0}");
    let cells: Vec<&str> = row.split('|').collect();
    let code = cells[2..].join(" ");
    let spans = code.split('`').skip(1).step_by(2).map(|span| span.replace('\u{0}', "|"));
    spans.filter(|span| span.contains("queue-work")).collect()
}

fn is_run(command: &str) -> bool {
    let is = |not_run: &str| command == not_run || not_run.contains(' ') && command.starts_with(not_run);
    !NOT_RUN.iter().any(|&not_run| is(not_run))
}

#[test]
fn each_command_of_a_guide_does_what_it_says() {
    let manual = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/migrating.md");
    let text = fs::read_to_string(manual).expect("the guides");
    let mut count = 0;
    for guide in text.split("\n## ").skip(1) {
        let rows = guide.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| ---"));
        let commands: Vec<String> = rows.flat_map(commands).filter(|command| is_run(command)).collect();
        if commands.is_empty() {
            continue;
        }
        count += commands.len();
        run(guide.lines().next().unwrap_or_default(), &commands);
    }
    assert!(count > 50, "{count} commands");
}

fn run(guide: &str, commands: &[String]) {
    let bench = Bench::new();
    fs::write(bench.path().join("queue-work.toml"), CONFIG).expect("written");
    for _ in 0..3 {
        bench.push(&["--delay", "1h", "--", "true"]);
    }
    let mail = bench.push(&["mail", "{}", "--queue", "mail"]);
    let _master = bench.start(&[]);
    bench.wait_for_job(mail, "succeeded");
    bench.wait_for("workers", DEADLINE, |bench| bench.status()["pools"][0]["ready"] == 2);
    let own = bench.std_command();
    let program = Path::new(own.get_program()).parent().expect("a folder").to_owned();
    for command in commands {
        let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap_or_default());
        let mut shell = Command::new("timeout");
        shell.args([&DEADLINE.as_secs().to_string(), "sh", "-c", command]).current_dir(bench.path());
        shell.envs(own.get_envs().filter_map(|(name, value)| Some((name, value?)))).env("PATH", path);
        let out = shell.output().expect("a shell");
        let said = String::from_utf8_lossy(&out.stderr);
        assert!(out.status.success(), "{guide}: `{command}`: {}\n{said}", out.status);
    }
    let is_stopped = || bench.status()["master"].is_null();
    if !is_stopped() {
        bench.ok(&["stop", "--timeout", "1s"]);
    }
    bench.wait_for("the master to end", Duration::from_secs(10), |_| is_stopped());
}
