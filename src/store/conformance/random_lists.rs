//! What lists say after random operations: the same in every store.

use super::random::{kind, named};
use super::*;
use crate::model::{ArgsFilter, UNFINISHED};
use crate::store::{ErrorFilter, KeyFilter};

/// The same jobs as filters find them, each by another key.
pub(super) fn lists(kit: &mut Kit, jobs: &[JobRecord]) -> String {
    let mut filters: Vec<JobFilter> = Vec::new();
    for state in JobState::ALL {
        let of_state = JobFilter { states: States::of(&[state]), ..JobFilter::default() };
        let (queue, kind) = (Some(named(1)), Some(kind(1).to_owned()));
        filters.push(JobFilter { kind: kind.clone(), ..of_state.clone() });
        filters.push(JobFilter { queue: queue.clone(), newest: true, limit: Some(2), ..of_state.clone() });
        filters.push(JobFilter { queue, kind, ..of_state.clone() });
        for cursor in jobs.iter().filter(|job| job.state == state).map(|job| job.id).take(2) {
            filters.push(JobFilter { newest: true, before: Some(cursor), ..of_state.clone() });
            filters.push(JobFilter { after: Some(cursor), ..of_state.clone() });
        }
    }
    for label in jobs.iter().filter_map(|job| job.label.clone()).take(2).chain([String::from("none")]) {
        filters.push(JobFilter { label: Some(label), newest: true, limit: Some(3), ..JobFilter::default() });
    }
    let unfinished = JobFilter { states: UNFINISHED, queue: Some(named(0)), ..JobFilter::default() };
    filters.push(unfinished);
    let ended = JobFilter { states: States::of(&[JobState::Dead, JobState::Cancelled]), ..JobFilter::default() };
    let ranges = vec![(JobId(2), JobId(4)), (JobId(6), JobId(6)), (JobId(9), JobId(20))];
    filters.push(JobFilter { ids: Some(ranges.into()), newest: true, limit: Some(4), ..JobFilter::default() });
    filters.push(JobFilter { since: Some(kit.later(-3)), until: Some(kit.later(-1)), ..JobFilter::default() });
    filters.push(JobFilter { error: Some(ErrorFilter::Text("o".into())), ..JobFilter::default() });
    let args = ArgsFilter { text: vec!["1".into()], ..ArgsFilter::default() };
    filters.push(JobFilter { args: Some(args), newest: true, ..JobFilter::default() });
    let unique = jobs.iter().find_map(|job| job.unique.clone()).or_else(|| Some("none".into()));
    filters.push(JobFilter { unique, ..JobFilter::default() });
    filters.push(JobFilter { key: Some("key 1".into()), newest: true, limit: Some(3), ..JobFilter::default() });
    let fingerprints = jobs.iter().filter_map(|job| job.fingerprint).take(2).map(ErrorFilter::Fingerprint);
    filters.extend(fingerprints.map(|error| JobFilter { error: Some(error), newest: true, ..JobFilter::default() }));
    filters.push(ended);
    let mut text = String::new();
    for filter in filters {
        let listed: Vec<i64> = kit.records.jobs(&filter).unwrap().iter().map(|job| job.id.0).collect();
        let unlimited = JobFilter { limit: None, ..filter.clone() };
        let mut all = kit.records.job_ids(&unlimited).unwrap();
        all.sort_unstable();
        // Any of them will do.
        let some = kit.records.job_ids(&filter).unwrap();
        assert!(some.iter().all(|id| all.contains(id)), "{filter:?}: {some:?} of {all:?}");
        text.extend([format!("{filter:?}: {listed:?} of {all:?}, {}\n", some.len())]);
    }
    for queue in (0..4).map(named) {
        let keys = kit.records.keys(&KeyFilter { queue, key: None, limit: Some(20) }).unwrap();
        let keys: Vec<_> = keys.iter().map(|of| (&of.queue, &of.key, of.waiting, of.running)).collect();
        text.extend([format!("{keys:?}\n")]);
    }
    for queue in [None, Some(named(0))] {
        let (groups, all) = kit.records.dead_groups(queue.as_ref(), 2).unwrap();
        let groups: Vec<_> =
            groups.iter().map(|group| (group.jobs, group.newest.id, group.newest.fingerprint)).collect();
        text.extend([format!("{groups:?} of {all}\n")]);
    }
    text
}
