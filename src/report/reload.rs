//! Changes of a configuration, worded.

use super::words;
use crate::model::reload::{FileChange, FilePart, Takeover};

/// The most of a value that is shown.
const MOST_CHARS: usize = 80;

/// One line for each part that has changes: `pools: +ocr (2 workers), mail workers 4 → 6`.
#[must_use]
pub fn lines(changes: &[FileChange]) -> Vec<String> {
    let of = |part: FilePart| changes.iter().filter(move |change| change.kind == part).map(change).collect::<Vec<_>>();
    let parts = [FilePart::Pools, FilePart::Processors, FilePart::Options].map(|part| (part, of(part)));
    let said = parts.into_iter().filter(|(_, changes)| !changes.is_empty());
    said.map(|(part, changes)| format!("{}: {}", part.as_str(), changes.join(", "))).collect()
}

fn change(FileChange { name, key, was, now, how, .. }: &FileChange) -> String {
    let value = |value: &str| words::one_line(value, MOST_CHARS);
    let name: Vec<&str> = [name, key].into_iter().filter_map(Option::as_deref).collect();
    let name = name.join(" ");
    let how = match how {
        Takeover::Now => "",
        Takeover::Rolling => " (rolling)",
        Takeover::RestartMaster => " (needs a restart of the master)",
    };
    match (key, was, now) {
        (None, None, Some(now)) => format!("+{name} ({now})"),
        (None, ..) => format!("-{name}"),
        // A secret, or rounded.
        (Some(_), was, now) if was == now => format!("{name} changed{how}"),
        (Some(_), Some(was), Some(now)) => format!("{name} {} → {}{how}", value(was), value(now)),
        (Some(_), Some(was), None) => format!("{name} {} → none{how}", value(was)),
        (Some(_), None, now) => format!("{name} → {}{how}", value(now.as_deref().unwrap_or("none"))),
    }
}

#[cfg(test)]
mod tests {
    use FilePart::{Options, Pools, Processors};
    use Takeover::{Now, RestartMaster, Rolling};

    use super::*;

    #[test]
    fn each_part_has_a_line_that_says_what_becomes_of_what_and_how() {
        let change = |kind, name: &str, key: &str, was: &str, now: &str, how| {
            let said = |text: &str| (!text.is_empty()).then(|| text.to_owned());
            FileChange { kind, name: said(name), key: said(key), was: said(was), now: said(now), how }
        };
        let changes = [
            change(Pools, "mail", "workers", "4", "6", Now),
            change(Pools, "mail", "cwd", "", "/srv\x1b[1m", Rolling),
            change(Pools, "mail", "protocol_fd", "3", "", Rolling),
            change(Pools, "mail", "env.KEY", "(set)", "(set)", Rolling),
            change(Pools, "ocr", "", "", "2 workers", Now),
            change(Pools, "old", "", "1 worker", "", Now),
            change(Processors, "mails", "every", "5s", "10s", Now),
            change(Options, "", "durability", "full", "process", RestartMaster),
        ];
        let expected = [
            "pools: mail workers 4 → 6, mail cwd → /srv\\x1b[1m (rolling), mail protocol_fd 3 → none (rolling), \
             mail env.KEY changed (rolling), +ocr (2 workers), -old",
            "processors: mails every 5s → 10s",
            "options: durability full → process (needs a restart of the master)",
        ];
        assert_eq!(lines(&changes), expected);
        assert!(lines(&[]).is_empty());
    }
}
