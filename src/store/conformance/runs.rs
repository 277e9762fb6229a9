//! Cases about the list of runs, of a history that is long, mixed and full of holes.

use crate::model::change::Request;

use super::*;

/// Numbers that look random, the same every time.
struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// Jobs of three queues end out of the order of their runs, one master dies, some jobs are deleted, the oldest runs go.
fn history(kit: &mut Kit) {
    let mut dice = Dice(7);
    let queues = ["default", "mail", "rare"].map(queue);
    let mut open: Vec<Arc<Claimed>> = Vec::new();
    for round in 0..40 {
        let pick = |n: u64| queues[usize::from(n % 3 == 1) + usize::from(round % 13 == 0 && n == 1)].clone();
        kit.push((0..6).map(|n| NewJob { queue: pick(n), ..job() }).collect::<Vec<_>>());
        let takes = queues.iter().map(|name| (name.clone(), 6)).collect();
        let claim = Claim {
            takes,
            lanes: Takes::Others,
            workers: vec![WorkerId(1)],
            total: 6,
            at_once: u32::MAX,
            max_bytes: usize::MAX,
        };
        open.extend(kit.claim_as(claim).0.into_iter().map(Arc::new));
        while open.len() > 9 {
            let job = open.remove(dice.throw(open.len() as u64) as usize);
            let (outcome, next) = match dice.throw(12) {
                0 => (Outcome::Failed, Next::Dead(Cause::MaxAttempts)),
                1 => (Outcome::TimedOut, Next::Ready),
                2 if round > 30 => (Outcome::Crashed, Next::Ready),
                _ => (Outcome::Succeeded, Next::Succeeded),
            };
            kit.finish(&job, outcome, next, job.counters);
        }
        kit.pass(dice.throw(4).cast_signed());
        if round == 20 {
            open.clear();
            kit.join(2);
            kit.recover();
        }
    }
    for id in (90..130).step_by(3) {
        kit.one(Request::delete(JobId(id)));
    }
    let since = kit.later(-40);
    let keep = Keep { succeeded_since: since, dead_since: since, runs_since: since, audit_since: since, limit: 30 };
    kit.prune(keep);
    kit.prune(keep);
}

pub(super) fn every_filter_finds_what_a_walk_over_all_finds(kit: &mut Kit) {
    history(kit);
    let all = kit.runs(&RunFilter::default());
    assert!(all.len() > 100 && all.last().unwrap().id > RunId(20), "{} runs", all.len());
    let queues = [None, Some("default"), Some("mail"), Some("rare"), Some("never")].map(|name| name.map(queue));
    let outcomes = [None].into_iter().chain(Outcome::ALL.map(Some));
    let times = [None, Some(-60), Some(-5), Some(2), Some(100)].map(|s| s.map(|s| kit.later(s)));
    let ids = [None, Some(1), Some(100), Some(133), Some(10_000)].map(|id| id.map(RunId));
    for (queue, outcome) in queues.iter().flat_map(|q| outcomes.clone().map(move |o| (q, o))) {
        for (since, before) in times.iter().flat_map(|t| ids.iter().map(move |i| (*t, *i))) {
            let fits = |run: &&RunRecord| {
                queue.as_ref().is_none_or(|name| *name == run.queue)
                    && outcome.is_none_or(|outcome| outcome == run.outcome)
                    && since.is_none_or(|since| run.ended_at >= since)
                    && before.is_none_or(|before| run.id < before)
            };
            for limit in [Some(0), Some(1), Some(7), Some(500), None] {
                let expected: Vec<&RunRecord> =
                    all.iter().filter(fits).take(limit.map_or(usize::MAX, |n| n as usize)).collect();
                let filter = RunFilter { queue: queue.clone(), outcome, since, before, limit, ..RunFilter::default() };
                let found = kit.runs(&filter);
                assert_eq!(format!("{:#?}", found.iter().collect::<Vec<_>>()), format!("{expected:#?}"), "{filter:?}");
            }
        }
    }
}

pub(super) fn a_text_is_found_in_what_a_run_has_said_and_not_in_what_is_hidden(kit: &mut Kit) {
    history(kit);
    let all = kit.runs(&RunFilter::default());
    let later = kit.later(-20);
    let queues = [None, Some("mail"), Some("never")].map(|name| name.map(queue));
    let texts = ["run 1", "ended", "[1]", "nosuch"];
    let filters = texts.into_iter().flat_map(|text| queues.iter().map(move |queue| (text, queue.clone())));
    for ((text, queue), since) in filters.flat_map(|of| [(of.clone(), None), (of, Some(later))]) {
        let fits = |run: &&RunRecord| {
            // Each has the result `[1]`, but those that a master left.
            (text == "[1]" && run.cause != Some(Cause::MasterLost)
                || run.detail.error.as_ref().is_some_and(|error| error.contains(text)))
                && queue.as_ref().is_none_or(|name| *name == run.queue)
                && since.is_none_or(|since| run.ended_at >= since)
        };
        let expected: Vec<RunId> = all.iter().filter(fits).map(|run| run.id).collect();
        let mut filter = RunFilter { text: vec![text.to_owned()], queue, since, ..RunFilter::default() };
        let found: Vec<RunId> = kit.runs(&filter).iter().map(|run| run.id).collect();
        assert_eq!(found, expected, "{filter:?}");
        let mut found = Vec::new();
        filter.limit = Some(7);
        loop {
            let slice = kit.records.search_runs(&filter, Duration::ZERO).unwrap();
            found.extend(slice.found.iter().map(|run| run.id));
            filter.before = slice.next;
            if slice.next.is_none() {
                break;
            }
        }
        assert_eq!(found, expected, "{filter:?}");
    }
    let mut say = |result: &str, words: &[&str], hidden: &[&str]| {
        kit.push_one(job());
        let job = kit.claim(1).into_iter().map(Arc::new).next().unwrap();
        let detail = Detail { stderr_tail: "on stderr".into(), result: Some(result.to_owned()), ..Detail::default() };
        let Change::Finish(finish) = kit.finish_op(&job, Outcome::Succeeded, Next::Succeeded, job.counters) else {
            unreachable!()
        };
        kit.one(Change::Finish(Box::new(Finish { detail, ..*finish })));
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let filter = RunFilter { text: owned(words), hidden: owned(hidden), job: Some(job.id), ..RunFilter::default() };
        kit.runs(&filter).len()
    };
    let result = r#"{"user":"ann","password":"xyzzy"}"#;
    assert_eq!(say(result, &["xyzzy", "stderr"], &[]), 1);
    assert_eq!(say(result, &["ann", "stderr"], &["pass*"]), 1);
    assert_eq!(say(result, &["xyzzy"], &["pass*"]), 0);
    assert_eq!(say(result, &["ann", "nosuch"], &[]), 0);
}

pub(super) fn a_run_that_ends_after_its_neighbours_were_forgotten_is_found(kit: &mut Kit) {
    kit.push((0..100).map(|_| job()).collect::<Vec<_>>());
    let mut jobs: Vec<_> = kit.claim(100).into_iter().map(Arc::new).collect();
    let slow = jobs.remove(1);
    for job in &jobs {
        kit.succeed(job);
    }
    // The first run goes because it is past its time, those beside it go with their jobs.
    for job in &jobs[1..60] {
        kit.one(Request::delete(job.id));
    }
    kit.prune(kit.keep_nothing());
    assert_eq!(kit.runs(&RunFilter::default()).len(), 39);
    kit.succeed(&slow);
    let before = Some(RunId(50));
    let filter = RunFilter { queue: Some(QueueName::default()), before, limit: Some(5), ..RunFilter::default() };
    assert_eq!(kit.runs(&filter).iter().map(|run| run.id).collect::<Vec<_>>(), [slow.run]);
}
