//! A unit of systemd, as docs/production.md has it.

use super::Plan;

pub(super) fn unit(plan: &Plan) -> Result<String, String> {
    let user = plan.user.as_ref().map(|user| format!("User={user}\n")).unwrap_or_default();
    let folder = Some("StateDirectory=queue-work\n").filter(|_| plan.has_state_folder()).unwrap_or_default();
    if plan.program.contains(['"', '\'', '\\', '$']) {
        return Err(format!("systemd has no quotes for the program `{}`; put it elsewhere", plan.program));
    }
    Ok(format!(
        "{head}[Unit]
Description=queue-work
After=local-fs.target

[Service]
Type=notify
WatchdogSec=60
{user}{folder}WorkingDirectory={work}
ExecStart={start}
ExecReload={reload}
KillMode=mixed
TimeoutStopSec={stop}
OOMPolicy=continue
Restart=on-failure

[Install]
WantedBy=multi-user.target
",
        head = plan.head("systemd", "#"),
        // Takes no quotes.
        work = plan.folder.replace('%', "%%"),
        start = words(&plan.command(&[])),
        reload = words(&plan.command(&["reload"])),
        stop = plan.stop_s(),
    ))
}

/// Words of a command: `%` is a specifier, `$` a variable, blanks and quotes are for the parser.
fn words(words: &[&str]) -> String {
    let word = |word: &&str| {
        let text = word.replace('%', "%%").replace('$', "$$");
        let is_plain = !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || "\"'\\;".contains(c));
        if is_plain { text } else { format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")) }
    };
    words.iter().map(word).collect::<Vec<_>>().join(" ")
}
