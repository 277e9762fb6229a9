//! Cases with two masters at once: what each may do, what it hears of the other, and what happens when one is gone.

use super::limits::{claim, configure, take};
use super::*;
use crate::model::Generation;
use crate::model::bulk::BulkStep;
use crate::model::order::{Fate, Tell};
use crate::store::{Duty, StoreError, Tenure};

const LEASE_S: u64 = LEASE.as_secs();

/// Two members of one store; both clocks show the same.
pub(super) struct Two {
    a: Kit,
    b: Kit,
    of_a: Membership,
    of_b: Membership,
    seconds: u64,
}

pub(super) fn on_memory() -> Two {
    let store = MemoryStore::shared(LEASE);
    let kit = |root: &MemoryStore| {
        let (records, root) = (root.connect(), root.connect());
        let store = root.connect();
        Kit::new(Box::new(store), Box::new(records), Box::new(move || Box::new(root.connect())), None)
    };
    both(kit(&store), kit(&store))
}

pub(super) fn on_postgres() -> Two {
    let url = postgres::server::new_url();
    let open = |url: &str| Box::new(PostgresStore::open(url, LEASE).unwrap()) as Box<dyn Store>;
    let kit = |url: String| {
        let (store, records) = (open(&url), PostgresRecords::open(&url, None).unwrap());
        Kit::new(store, Box::new(records), Box::new(move || open(&url)), None)
    };
    both(kit(url.clone()), kit(url))
}

fn both(mut a: Kit, mut b: Kit) -> Two {
    let join = |kit: &mut Kit, host: &str, pid| {
        let at = kit.at();
        kit.store.join(&Master { host: host.to_owned(), ..master(pid) }, at).unwrap()
    };
    let (of_a, of_b) = (join(&mut a, "host-a", 1), join(&mut b, "host-b", 2));
    let mut two = Two { a, b, of_a, of_b, seconds: 0 };
    two.both_renew();
    assert_eq!(two.dead_to_a(), []);
    two
}

impl Two {
    fn now(&self) -> Mono {
        Mono(self.seconds * 1_000_000)
    }

    fn both_renew(&mut self) {
        let now = self.now();
        self.a.store.renew(now).unwrap();
        self.b.store.renew(now).unwrap();
    }

    /// Members that are dead to the first, which goes on renewing.
    fn dead_to_a(&mut self) -> Vec<Generation> {
        let now = self.now();
        self.a.store.renew(now).unwrap();
        self.a.store.dead(now).unwrap().into_iter().map(|member| member.generation).collect()
    }

    /// Lets time pass in which the second says nothing.
    fn b_is_silent_for(&mut self, seconds: u64) -> Vec<Generation> {
        for _ in 0..seconds {
            self.seconds += 1;
            self.dead_to_a();
        }
        self.dead_to_a()
    }

    /// The first takes over from the second; how many jobs were released.
    fn a_takes_over(&mut self) -> u64 {
        assert_eq!(self.b_is_silent_for(LEASE_S), [self.of_b.generation]);
        let at = self.a.at();
        self.a.store.recover(self.of_b.generation, at).unwrap().released
    }
}

pub(super) fn a_job_is_claimed_by_one_of_them(mut two: Two) {
    assert_eq!((two.of_a.tenure, two.of_b.tenure), (two.of_b.tenure, Tenure::Lease(Duration::from_secs(LEASE_S))));
    let pushed = two.a.push(vec![job(); 10]);
    let (of_a, of_b) = (two.a.claim(6), two.b.claim(6));
    assert_eq!((of_a.len(), of_b.len()), (6, 4));
    let all = || of_a.iter().chain(&of_b);
    assert_eq!(all().map(|job| job.id).collect::<BTreeSet<_>>(), pushed.iter().map(|job| job.id).collect());
    assert_eq!(all().map(|job| job.run).collect::<BTreeSet<_>>().len(), 10, "no run has the id of another");
    assert!(two.a.claim(1).is_empty() && two.b.claim(1).is_empty());
}

pub(super) fn what_comes_before_the_jobs_that_one_has_taken_is_next(mut two: Two) {
    let with_priority = |priority| NewJob { priority, ..job() };
    two.a.push(vec![job(); 9]);
    let first = two.a.claim(2);
    two.b.claim(1);
    // No news are read here: where they are lost nothing changes.
    let urgent = two.b.push_one(with_priority(5));
    assert_eq!(two.a.claim_one().id, urgent, "pushed by the other");
    let given_back = first[0].clone();
    two.a.one(Change::Unclaim { job: given_back.id, run: given_back.run });
    assert_eq!(two.b.claim_one().id, given_back.id, "given back by the other");
    let mut step = |step| two.b.one(Request::Bulk(step));
    let Reply::Begun(bulk) = step(BulkStep::Begin(super::bulk::owner())) else { panic!("it begins") };
    step(BulkStep::Stage { bulk, jobs: [with_priority(7), with_priority(6)].into() });
    step(BulkStep::Commit { bulk, batch: Arc::default() });
    step(BulkStep::Open { bulk, limit: 9 });
    let priorities = |claimed: Vec<Claimed>, kit: &mut Kit| {
        claimed.iter().map(|claimed| kit.job(claimed.id).priority).collect::<Vec<_>>()
    };
    let (of_a, of_b) = (two.a.claim(1), two.b.claim(2));
    assert_eq!((priorities(of_a, &mut two.a), priorities(of_b, &mut two.b)), (vec![7], vec![6, 0]), "pushed in bulk");
    let lost = two.b.claim_one().id;
    two.a_takes_over();
    assert!(two.a.claim(9).iter().any(|claimed| claimed.id == lost), "left by one that is dead");
    assert_eq!(two.a.totals().ready, 0, "nothing is left behind");
}

pub(super) fn only_the_jobs_of_a_dead_one_are_released(mut two: Two) {
    two.a.push(vec![job(); 3]);
    let (of_a, of_b) = (two.a.claim(1), two.b.claim(2));
    assert_eq!(two.b_is_silent_for(LEASE_S - 1), [], "not before its lease is over");
    assert_eq!(two.a_takes_over(), 2);
    assert_eq!(two.a.state(of_a[0].id), Some(JobState::Running));
    for job in &of_b {
        let record = two.a.job(job.id);
        assert_eq!(
            (record.state, record.cause, record.counters.releases),
            (JobState::Ready, Some(Cause::MasterLost), 1)
        );
    }
    two.a.check_totals();
    assert_eq!(two.dead_to_a(), [], "it was taken over");
    let at = two.a.at();
    assert_eq!(two.a.store.recover(two.of_b.generation, at).unwrap().released, 0);
    assert_eq!(two.a.store.recover(two.of_a.generation, at).unwrap().released, 0, "nobody takes over from itself");
}

pub(super) fn one_that_was_taken_over_begins_anew(mut two: Two) {
    two.b.push_one(job());
    let lost = two.b.claim_one();
    two.a_takes_over();
    let at = two.b.at();
    let refused = |result: Result<(), StoreError>| assert!(matches!(result, Err(StoreError::Superseded(_))));
    let finish = two.b.finish_op(&lost, Outcome::Succeeded, Next::Succeeded, lost.counters);
    refused(two.b.store.apply(2, &[finish.into()], at).map(drop));
    refused(two.b.store.renew(two.now()));
    refused(two.b.store.leave(at));
    refused(two.b.store.is_applied(1).map(drop));
    let again = two.b.join(3);
    assert!(again.generation > two.of_b.generation);
    assert_eq!(two.b.claim_one().id, lost.id);
    assert!(matches!(two.a.succeed(&lost), Reply::Stale), "the run that was lost has ended");
}

pub(super) fn one_that_renews_is_not_taken_over(mut two: Two) {
    two.b.push_one(job());
    let job = two.b.claim_one();
    for _ in 0..3 * LEASE_S {
        two.seconds += 1;
        two.both_renew();
        assert_eq!(two.dead_to_a(), []);
    }
    assert_eq!(two.b_is_silent_for(LEASE_S), [two.of_b.generation]);
    two.both_renew();
    let at = two.a.at();
    assert_eq!(two.a.store.recover(two.of_b.generation, at).unwrap().released, 0, "it came back in time");
    two.b.succeed(&job);
    two.b.store.leave(at).unwrap();
    assert_eq!(two.b_is_silent_for(3 * LEASE_S), [], "it has left");
}

pub(super) fn nobody_is_dead_to_one_that_was_away(mut two: Two) {
    two.seconds += 10 * LEASE_S;
    let now = two.now();
    assert_eq!(two.a.store.dead(now).unwrap(), [], "it has not renewed itself");
    assert_eq!(two.dead_to_a(), [], "the store may have been away for both");
    assert_eq!(two.b_is_silent_for(LEASE_S - 1), []);
    assert_eq!(two.b_is_silent_for(1), [two.of_b.generation]);
}

pub(super) fn what_one_makes_ready_the_other_hears(mut two: Two) {
    let heard = |kit: &mut Kit| kit.store.news().unwrap().queues.contains(&QueueName::default());
    two.a.push_one(job());
    assert!(!heard(&mut two.a), "what one does itself is no news");
    assert!(heard(&mut two.b));
    assert!(two.b.store.news().unwrap().is_none(), "news are told once");
    let claimed = two.a.claim_one();
    assert!(!heard(&mut two.b), "a claim makes nothing ready");
    two.a.one(Change::Unclaim { job: claimed.id, run: claimed.run });
    assert!(heard(&mut two.b), "a job that was given back");
    let (claimed, retry_at) = (two.a.claim_one(), two.a.later(5));
    two.a.finish(&claimed, Outcome::Failed, Next::RetryAt(retry_at), counters(1, 0, 0));
    assert!(!heard(&mut two.b));
    two.a.pass(5);
    two.a.one(Change::Promote { limit: 9 });
    assert!(heard(&mut two.b), "a retry that is due");
    let mut guest = (two.a.connect)();
    guest.apply(0, &[Request::Push([job()].into()).into()], two.a.at()).unwrap();
    assert!(heard(&mut two.a) && heard(&mut two.b), "a push by one that is no member");
    two.b.claim(2);
    two.a_takes_over();
    assert!(heard(&mut two.a) || two.a.totals().ready == 2, "who takes over knows");
}

pub(super) fn what_is_due_is_promoted_once(mut two: Two) {
    let due_at = Some(two.a.later(1));
    two.a.push_one(NewJob { due_at, ..job() });
    for kit in [&mut two.a, &mut two.b] {
        kit.pass(1);
        assert_eq!(kit.store.next_due().unwrap().is_some(), kit.batch == 1, "both know what is due");
        kit.one(Change::Promote { limit: 9 });
    }
    assert_eq!((two.a.claim(2).len(), two.b.claim(2).len()), (1, 0));
}

pub(super) fn a_pause_reaches_the_other(mut two: Two) {
    two.a.push_one(job());
    let pause = |paused| Request::Pause { queue: QueueName::default(), paused };
    for paused in [true, false] {
        two.b.store.news().unwrap();
        two.a.one(pause(paused));
        assert!(two.b.store.news().unwrap().queues.contains(&QueueName::default()));
        assert_eq!(two.b.totals().paused, paused);
        assert_eq!(two.b.claim(1).is_empty(), paused);
    }
}

pub(super) fn a_job_that_runs_elsewhere_is_cancelled_there(mut two: Two) {
    two.a.one(Request::Tell(Box::new(Tell::HearsEnds(true))));
    two.a.push_one(job());
    let job = two.b.claim_one();
    let reply = two.a.one(Change::cancel(job.id));
    let Reply::Elsewhere(host, order) = reply else { panic!("{reply:?}") };
    assert_eq!(host, "host-b");
    assert_eq!(two.a.state(job.id), Some(JobState::Running), "it is the other's to end");
    let orders = two.b.store.orders().unwrap();
    let asked: Vec<_> = orders.asked.iter().map(|order| (order.id, &order.who)).collect();
    assert_eq!((asked, orders.ended.clone()), (vec![(order, &None)], Vec::new()));
    assert!(orders.asked[0].request.contains(&format!("[{}]", job.id)), "{orders:?}");
    assert!(two.b.store.orders().unwrap().is_empty(), "each is begun once");
    assert!(two.a.store.orders().unwrap().is_empty(), "it is not answered yet");
    two.b.finish(&job, Outcome::Cancelled, Next::Cancelled(Cause::Cancelled), job.counters);
    two.b.one(Request::Tell(Box::new(Tell::Answer { order, answer: "done".into() })));
    assert_eq!(two.a.store.orders().unwrap().ended, [(order, Fate::Answered("done".into()))]);
    assert!(two.a.store.orders().unwrap().is_empty(), "the answer is given once");
    assert_eq!(two.a.store.news().unwrap().ended, [job.id]);
    assert!(matches!(two.a.one(Change::cancel(job.id)), Reply::Changed { was: JobState::Cancelled, .. }));
}

pub(super) fn a_tick_is_taken_by_one_of_them(mut two: Two) {
    for kit in [&mut two.a, &mut two.b] {
        kit.one(processors::armed("every 1s", Some(10)));
    }
    two.b.ticked(processors::tick(None, 10));
    assert!(matches!(two.a.tick(processors::tick(None, 10)), Reply::Stale));
    two.a.ticked(processors::tick(Some(10), 11));
    assert!(matches!(two.b.tick(processors::tick(Some(10), 11)), Reply::Stale));
    let ticks: Vec<_> = two.a.all_runs().iter().filter_map(|run| run.tick).collect();
    assert_eq!((ticks, two.b.totals().ready), (vec![UnixMicros(11), UnixMicros(10)], 2));
}

pub(super) fn what_becomes_of_a_processor_is_heard_elsewhere(mut two: Two) {
    let heard = |two: &mut Two| {
        let of = |kit: &mut Kit| !kit.store.news().unwrap().processors.is_empty();
        (of(&mut two.a), of(&mut two.b))
    };
    two.a.one(processors::armed("every 1s", Some(10)));
    assert_eq!(heard(&mut two), (false, true), "its first schedule");
    two.b.one(processors::armed("every 1s", Some(10)));
    assert_eq!(heard(&mut two), (false, false), "nothing changed");
    two.b.ticked(processors::tick(None, 10));
    assert_eq!(heard(&mut two), (true, false), "a tick");
    assert!(matches!(two.a.tick(processors::tick(None, 10)), Reply::Stale));
    let job = two.a.claim_one();
    assert_eq!(heard(&mut two), (false, false), "a claim");
    two.a.succeed(&job);
    assert_eq!(heard(&mut two), (false, true), "the end of its job");
    two.b.one(processors::off());
    assert_eq!(heard(&mut two), (true, false), "the word of an operator");
    let mut guest = (two.a.connect)();
    let begin = crate::model::processor::BeginRun { processor: processors::name("outside"), ..processors::begin() };
    guest.apply(0, &[Request::BeginRun(begin).into()], two.a.at()).unwrap();
    assert_eq!(heard(&mut two), (true, true), "a run outside");
}

pub(super) fn room_in_a_limited_queue_is_heard_elsewhere(mut two: Two) {
    configure(&mut two.a, &[("concurrency", "1")]);
    two.a.push(vec![job(); 3]);
    let first = take(&mut two.a, 1, 1).0;
    assert!(take(&mut two.b, 1, 1).0.is_empty(), "one runs");
    two.b.store.news().unwrap();
    // As many run afterwards, which the totals do not show.
    let done = two.a.finish_op(&first[0], Outcome::Succeeded, Next::Succeeded, first[0].counters);
    let replies = two.a.apply(&[done.into(), Change::Claim(claim(1, 1)).into()]);
    assert!(matches!(&replies[1], Reply::Claimed { jobs, .. } if jobs.len() == 1), "{replies:?}");
    assert!(two.b.store.news().unwrap().queues.contains(&QueueName::default()));
}

pub(super) fn the_end_of_a_job_is_heard_elsewhere(mut two: Two) {
    two.a.one(Request::Tell(Box::new(Tell::HearsEnds(true))));
    let pushed = two.a.push(vec![job(); 3]);
    let done = two.b.claim_one();
    two.b.succeed(&done);
    assert_eq!(two.a.store.news().unwrap().ended, [done.id]);
    two.b.one(Change::cancel(pushed[1].id));
    two.b.one(Request::delete(pushed[2].id));
    assert_eq!(two.a.store.news().unwrap().ended, [pushed[1].id, pushed[2].id]);
    assert!(two.b.store.news().unwrap().ended.is_empty());
}

pub(super) fn one_of_them_prunes_until_it_is_gone(mut two: Two) {
    two.a.job_in(JobState::Succeeded, job());
    assert!(two.b.store.lead(Duty::Prune).unwrap());
    assert!(!two.a.store.lead(Duty::Prune).unwrap());
    let keep = two.a.keep_nothing();
    assert_eq!(two.a.prune(keep), 0, "the other does that");
    two.a_takes_over();
    assert!(two.a.store.lead(Duty::Prune).unwrap());
    assert!(two.a.prune(keep) > 0);
}

pub(super) fn ids_and_batches_of_one_are_not_those_of_the_other(mut two: Two) {
    let (first, second) = (two.of_a.first_worker.0, two.of_b.first_worker.0);
    assert!(second - first > 1 << 31, "each has more ids than it can start workers");
    let ids = [two.a.push_one(job()), two.b.push_one(job()), two.a.push_one(job())];
    assert_eq!(BTreeSet::from(ids).len(), 3);
    assert_eq!((two.a.batch, two.b.batch), (2, 1));
    assert!(two.a.store.is_applied(2).unwrap() && !two.b.store.is_applied(2).unwrap());
    let at = two.b.at();
    assert!(matches!(two.b.store.apply(1, &[], at), Err(StoreError::AlreadyApplied)));
}

pub(super) fn the_runs_of_both_are_counted_once(mut two: Two) {
    let mut ends = Vec::new();
    for kit in [&mut two.a, &mut two.b] {
        let counted = kit.ends(Outcome::Succeeded, Next::Succeeded);
        let rollup = super::rollups::counted(kit.at(), &[counted]);
        kit.one(Change::RollUp(Box::new(rollup)));
        ends.push(kit.ends(Outcome::Succeeded, Next::Succeeded));
    }
    two.b.push_one(job());
    two.b.claim_one();
    assert_eq!(two.a.counts_of(None, None).runs(), 2);
    assert_eq!(two.a_takes_over(), 1);
    assert_eq!(
        two.a.counts_of(None, None).outcomes,
        [3, 0, 0, 0, 0, 1],
        "those of the dead one, and none of the other"
    );
    let rollup = super::rollups::counted(two.a.at(), &ends[..1]);
    two.a.one(Change::RollUp(Box::new(rollup)));
    assert_eq!(two.a.counts_of(None, None).outcomes, [4, 0, 0, 0, 0, 1]);
}
