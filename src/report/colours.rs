//! Colours of what tables show: red for what is wrong, yellow for what is held up or on its way, green for what works.

use anstyle::{AnsiColor, Style};

pub const RED: Style = AnsiColor::Red.on_default();
pub const YELLOW: Style = AnsiColor::Yellow.on_default();
pub const CYAN: Style = AnsiColor::Cyan.on_default();
pub const GREEN: Style = AnsiColor::Green.on_default();

/// The style of a state of a job, a run, a worker or a pool, by its word.
#[must_use]
pub fn of_state(word: &str) -> Style {
    match word {
        "dead" | "failed" | "timed_out" | "crashed" | "lost" | "backoff" | "given_up" => RED,
        "blocked" | "scheduled" | "cancelled" | "released" | "starting" | "draining" | "stopping" | "stopped"
        | "paused" => YELLOW,
        "running" | "busy" | "succeeded" => GREEN,
        _ => Style::new(),
    }
}

/// The style of a cell below this heading.
#[must_use]
pub fn of_cell(heading: &str, cell: &str) -> Style {
    match heading {
        "state" | "outcome" | "last run" => of_state(cell.split(' ').next().unwrap_or_default()),
        "dead" | "crashes" if cell != "0" => RED,
        "empty in" if cell == "grows" => YELLOW,
        "queue" | "pool" if cell.ends_with(')') => YELLOW,
        _ => Style::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{JobState, Outcome};

    #[test]
    fn a_state_has_its_colour_with_a_cause_behind_it_and_a_number_only_where_it_is_one_to_look_at() {
        assert_eq!(of_cell("state", "dead (poison)"), RED);
        assert_eq!(of_cell("state", "draining (3s left)"), YELLOW);
        assert_eq!(of_cell("queue", "mail (paused)"), YELLOW);
        assert_eq!((of_cell("dead", "0"), of_cell("dead", "344")), (Style::new(), RED));
        assert_eq!(of_cell("job", "dead"), Style::new());
        let plain =
            |words: &[&'static str]| words.iter().copied().filter(|word| of_state(word) == Style::new()).collect();
        let (jobs, runs): (Vec<_>, Vec<_>) =
            (plain(&JobState::ALL.map(JobState::as_str)), plain(&Outcome::ALL.map(Outcome::as_str)));
        assert_eq!((jobs, runs), (vec!["ready"], vec![]));
    }
}
