//! A line of a crontab that starts the master with the machine.

use super::Plan;
use crate::report::words;

pub(super) fn line(plan: &Plan) -> String {
    let stop = plan.stop_s();
    let mut lines = vec![
        "# cron starts it with the machine and never again; a service manager also restarts it.".to_owned(),
        format!("# `queue-work stop` stops it, which takes up to {stop} s."),
    ];
    lines.extend(plan.user.as_ref().map(|user| format!("# Install it with `crontab -u {user} FILE`.")));
    if !plan.processors.is_empty() {
        lines.push("# The master runs these, which need no line:".to_owned());
    }
    lines.extend(plan.processors.iter().map(|(name, schedule)| format!("#   {name}: {schedule}")));
    let (folder, command) = (words::command([plan.folder.as_str()]), words::command(plan.command(&["-q"])));
    // `%` would end the line.
    lines.push(format!("@reboot cd {folder} && exec {command}").replace('%', "\\%"));
    format!("{}{}\n", plan.head("crontab", "#"), lines.join("\n"))
}
