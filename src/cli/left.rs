//! Workers that were to end and do not.

use super::output;
use crate::error::Code;
use crate::model::done::LeftWorker;

/// Names them; the exit code of what was done but for them.
pub(crate) fn say(left: &[LeftWorker]) -> Code {
    for LeftWorker { worker, pid } in left {
        output::say(&format!(
            "worker `{worker}` (pid {pid}) does not end, not even by SIGKILL; `ps -o stat,wchan {pid}` shows what it waits for"
        ));
    }
    if left.is_empty() { Code::DONE } else { Code(1) }
}
