//! A program of supervisord.

use super::Plan;
use crate::report::words;

pub(super) fn program(plan: &Plan) -> Result<String, String> {
    let command = words::command(plan.command(&[]));
    for path in [&command, &plan.folder] {
        if path.contains(" ;") || path.contains(" #") {
            return Err(format!("supervisor reads a remark in `{path}`; call that otherwise"));
        }
    }
    let user = plan.user.as_ref().map(|user| format!("user={user}\n")).unwrap_or_default();
    Ok(format!(
        "{head}[program:queue-work]
command={command}
directory={folder}
{user}autostart=true
autorestart=unexpected
exitcodes=0
stopsignal=TERM
stopwaitsecs={stop}
redirect_stderr=true
",
        head = plan.head("supervisor", ";"),
        command = filled(&command),
        folder = filled(&plan.folder),
        stop = plan.stop_s(),
    ))
}

/// `%` begins a variable.
fn filled(text: &str) -> String {
    text.replace('%', "%%")
}
