//! Which jobs come after which: as a table, and for `dot`.
//!
//! Invariant: a job stands behind all that it comes after, however the graph was cut.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::tables::{Align, Column, Room, render_within};
use super::words;
use crate::model::graph::{Graph, Link};
use crate::model::{JobId, JobRecord};

/// The most of what a job is to do that is shown.
const TASK_CHARS: usize = 60;
/// Jobs named in one row, before only their number is.
const NAMED: usize = 8;

impl Graph {
    /// The jobs in ranks: in the first those that come after none, in each other those that come after one before it.
    #[must_use]
    pub fn ranks(&self) -> Vec<Vec<&JobRecord>> {
        let mut parents: BTreeMap<JobId, Vec<JobId>> = BTreeMap::new();
        let mut children: BTreeMap<JobId, Vec<JobId>> = BTreeMap::new();
        for Link { job, after, .. } in self.links.iter().filter(|link| self.has(link.after)) {
            parents.entry(*job).or_default().push(*after);
            children.entry(*after).or_default().push(*job);
        }
        let mut open: BTreeMap<JobId, usize> = self.jobs.iter().map(|job| (job.id, 0)).collect();
        for (job, parents) in &parents {
            open.insert(*job, parents.len());
        }
        let mut ranks = Vec::new();
        let mut rank: Vec<JobId> = open.iter().filter(|(_, open)| **open == 0).map(|(id, _)| *id).collect();
        while !rank.is_empty() {
            let mut next = Vec::new();
            for child in rank.iter().filter_map(|id| children.get(id)).flatten() {
                if let Some(left) = open.get_mut(child) {
                    *left -= 1;
                    next.extend((*left == 0).then_some(*child));
                }
            }
            next.sort_unstable();
            ranks.push(rank.iter().filter_map(|id| self.job(*id)).collect());
            rank = next;
        }
        ranks
    }

    fn job(&self, id: JobId) -> Option<&JobRecord> {
        self.jobs.binary_search_by_key(&id, |job| job.id).ok().and_then(|at| self.jobs.get(at))
    }

    fn has(&self, id: JobId) -> bool {
        self.job(id).is_some()
    }

    /// For people: a row for each job, those first that come after none.
    #[must_use]
    pub fn text(&self, of: JobId, width: Option<usize>) -> String {
        let columns = [
            Column("", Align::Left),
            Column("id", Align::Right),
            Column("state", Align::Left),
            Column("after", Align::Left),
            Column("queue", Align::Left),
            Column("job", Align::Left),
        ];
        let rows = self.ranks().into_iter().flatten().map(|job| {
            vec![
                if job.id == of { "→" } else { "" }.to_owned(),
                job.id.to_string(),
                words::state(job),
                self.after(job.id),
                job.queue.to_string(),
                words::one_line(&words::task(job), TASK_CHARS),
            ]
        });
        let room = Room { width, without: &[], cut: &[("after", 8), ("job", 16)], leave_out: &["queue"] };
        render_within(room, &columns, rows.collect())
    }

    fn after(&self, id: JobId) -> String {
        let links: Vec<&Link> = self.links.iter().filter(|link| link.job == id).collect();
        if links.len() > NAMED {
            let open = links.iter().filter(|link| link.is_open).count();
            return format!("{} jobs, {open} not done", links.len());
        }
        let named = links
            .iter()
            .map(|link| if self.has(link.after) { link.after.to_string() } else { format!("{} (gone)", link.after) });
        named.collect::<Vec<_>>().join(" ")
    }

    /// In the language of Graphviz.
    #[must_use]
    pub fn dot(&self) -> String {
        let mut text = "digraph jobs {\n  rankdir=LR;\n  node [shape=box];\n".to_owned();
        for job in &self.jobs {
            let task = words::one_line(&words::task(job), TASK_CHARS);
            let label = format!("{} {task}\n{}", job.id, job.state.as_str());
            let _ = writeln!(text, "  {} [label={}];", job.id, quoted(&label));
        }
        for Link { job, after, name, is_open } in &self.links {
            let label = name.as_deref().map(|name| format!("label={}", quoted(name)));
            let style = (!*is_open).then(|| "style=dashed".to_owned());
            let with: Vec<String> = label.into_iter().chain(style).collect();
            let with = if with.is_empty() { String::new() } else { format!(" [{}]", with.join(",")) };
            let _ = writeln!(text, "  {after} -> {job}{with};");
        }
        text + "}\n"
    }
}

/// A string of `dot`.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn graph() -> Graph {
        let job = |id: i64, state: &str| {
            json!({"id": id, "type": "t", "queue": "default", "state": state, "args": "a\"b", "priority": 0, "unique": null,
                "attempts": 0, "crashes": 0, "releases": 0, "max_attempts": 3, "timeout_s": null, "result": null, "cause": null,
                "error": null, "progress": null, "pushed_at": "2026-01-01T00:00:00Z", "due_at": "2026-01-01T00:00:00Z",
                "expires_at": null, "finished_at": null})
        };
        let links = json!([
            {"job": 2, "after": 1, "ref": "x", "open": false}, {"job": 2, "after": 9, "open": true},
            {"job": 3, "after": 1, "open": true}, {"job": 3, "after": 2, "open": true},
        ]);
        let jobs = json!([job(1, "succeeded"), job(2, "running"), job(3, "blocked")]);
        serde_json::from_value(json!({"jobs": jobs, "links": links, "more": false})).expect("a graph")
    }

    #[test]
    fn a_job_stands_behind_those_that_it_comes_after_and_one_that_was_deleted_is_named() {
        let ranks: Vec<Vec<i64>> =
            graph().ranks().iter().map(|rank| rank.iter().map(|job| job.id.0).collect()).collect();
        assert_eq!(ranks, [[1], [2], [3]]);
        let text = anstream::adapter::strip_str(&graph().text(JobId(2), None)).to_string();
        let rows: Vec<String> =
            text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(rows[2], "→ 2 running 1 9 (gone) default t \"a\\\"b\"", "{text}");
        assert!(rows[3].starts_with("3 blocked 1 2 default"), "{text}");
    }

    #[test]
    fn dot_has_every_job_and_link_with_its_text_quoted() {
        let text = graph().dot();
        assert!(text.contains(r#"  2 [label="2 t \"a\\\"b\"\nrunning"];"#), "{text}");
        assert!(text.contains("  1 -> 2 [label=\"x\",style=dashed];\n") && text.contains("  2 -> 3;\n"), "{text}");
    }
}
