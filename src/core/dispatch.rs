//! Handing out jobs: what to claim, who gets what.
//!
//! Claims are for workers that can take a job now, plus, where jobs are tiny, what they do until the next claim is answered
//! (10 ms at least). The claim is committed before `Send`: the core only knows jobs that came back from a committed claim.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::flight::{Flight, Stage};
use super::pool::{Lookahead, Pool, PoolId, Share, ShareId};
use super::single::Single;
use super::workers::Workers;
use super::{Action, Core, Handle, Phase, Tag};
use crate::model::change::{Change, Claim, HeldBack};
use crate::model::{Claimed, Notice, Now, QueueName, QueueOrder, WorkerId};

/// Most bytes of args in one claim, so that large jobs are not piled up in memory.
const CLAIM_BYTES: usize = 8 * 1024 * 1024;

impl Core {
    /// Asks for jobs where workers can take them. Called when a batch is about to be written, after its pushes.
    pub fn claim(&mut self, out: &mut Vec<Action>) {
        if self.phase != Phase::Running || self.is_cut_off || self.is_out_of_time() {
            return;
        }
        let singles = self.pools.iter().filter(|(_, pool)| pool.single.is_some());
        let allowed: BTreeMap<PoolId, u32> = singles.map(|(&id, _)| (id, self.allowance(id))).collect();
        for (&id, pool) in &mut self.pools {
            if pool.removed || !pool.settings.kind.serves_queues() || pool.load.is_empty() {
                continue;
            }
            let allowed = allowed.get(&id).copied().unwrap_or(u32::MAX);
            let thirsty = |share: &Share| share.dry_at != Some(pool.news);
            let shares: Vec<ShareId> = pool.shares.iter().filter(|(_, s)| thirsty(s)).map(|(&id, _)| id).collect();
            for share in shares {
                claim_for((id, pool), share, (allowed, self.lookahead), &self.workers, out);
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of one event")]
    pub(super) fn claimed(
        &mut self,
        (id, share): (PoolId, ShareId),
        asked: u32,
        news: u64,
        jobs: Vec<Claimed>,
        (more, held): (bool, HeldBack),
        now: Now,
        out: &mut Vec<Action>,
    ) {
        let Some(pool) = self.pools.get_mut(&id) else { return };
        // It is kept while something is asked for.
        let Some(share) = pool.shares.get_mut(&share) else { return };
        share.asked -= asked.min(share.asked);
        share.at_once = held.for_workers;
        if (jobs.len() as u32) < asked && !more && !held.for_workers {
            share.dry_at = Some(news);
        }
        share.ahead.extend(jobs.into_iter().map(Arc::new));
        let is_removed = pool.removed;
        self.close_queues(id, held.closed);
        if self.phase != Phase::Running || is_removed {
            self.hold_back(id, |_| true, out);
            return;
        }
        self.hold_back_if_paused(id, out);
        self.dispatch(id, now, out);
    }

    /// Gives back what is claimed ahead where nobody is there to do it: scaled to nothing, waiting to try again, or naming
    /// other types now.
    pub(super) fn give_back_idle_claims(&mut self, id: PoolId, out: &mut Vec<Action>) {
        let Some(pool) = self.pools.get_mut(&id) else { return };
        if pool.shares.len() > 1 {
            let in_use: BTreeSet<ShareId> =
                self.workers.iter().filter(|(_, w)| w.pool == id).map(|(_, w)| w.share).collect();
            let (current, before) = (pool.share, pool.shares.len());
            pool.shares.retain(|id, share| *id == current || in_use.contains(id) || !share.is_quiet());
            if pool.shares.len() < before {
                self.serve_anew();
            }
        }
        let Some(pool) = self.pools.get(&id) else { return };
        let waiting: Vec<ShareId> =
            pool.shares.iter().filter(|(_, s)| !s.ahead.is_empty()).map(|(&id, _)| id).collect();
        for share in waiting {
            let works = |w: WorkerId| {
                let worker = &self.workers[w];
                worker.share == share && worker.state.leaves().is_none() && worker.paused_until().is_none()
            };
            if !self.pools[&id].slots.values().flat_map(|e| e.state.workers()).any(works) {
                self.hold_back_of(id, |of| of == share, |_| true, out);
            }
        }
    }

    /// Gives claimed jobs to workers, the least loaded first; none while others may take them over.
    pub(super) fn dispatch(&mut self, id: PoolId, now: Now, out: &mut Vec<Action>) {
        if self.is_cut_off {
            return;
        }
        let Some(pool) = self.pools.get(&id) else { return };
        let window = pool.window();
        let waiting: Vec<ShareId> =
            pool.shares.iter().filter(|(_, s)| !s.ahead.is_empty()).map(|(&id, _)| id).collect();
        for share in waiting {
            // Not always the first: a worker near its `max_jobs`, or that does more at a time, has room of its own.
            let has_room = |w: &Handle| w.share == share && room(w, window) > 0;
            while self.allowance(id) > 0 {
                let Some(worker) = self.pools[&id].not_full(window).find(|&w| has_room(&self.workers[w])) else {
                    break;
                };
                let next = self.pools.get_mut(&id).and_then(|p| p.shares.get_mut(&share)?.ahead.pop_front());
                let Some(job) = next else { break };
                self.send(worker, job, now, out);
            }
        }
    }

    fn send(&mut self, id: WorkerId, job: Arc<Claimed>, now: Now, out: &mut Vec<Action>) {
        let is_followed = self.tells_runs;
        let sent = self.change(id, |worker, pool| {
            let timeout = job.timeout.unwrap_or(pool.settings.limits.timeout);
            let max_attempts = job.max_attempts.unwrap_or(pool.settings.limits.max_attempts);
            let request = worker.next_request;
            worker.next_request += 1;
            worker.flights.push_back(Flight {
                request,
                job: job.clone(),
                stage: Stage::Sent { timeout, told: None },
                ahead: worker.flights.len() >= worker.concurrency as usize,
                peak: worker.memory,
                progress: None,
                note: None,
            });
            let name = is_followed.then(|| worker.name.clone());
            worker.begin_flights(now.mono, pool.settings.limits.kill_after, assign(id, name, pool, out));
            (request, max_attempts, timeout)
        });
        let Some((request, max_attempts, timeout)) = sent else { return };
        self.holders.insert(job.id, id);
        self.note_releases(job.id, job.counters, now, out);
        out.push(Action::Send { worker: id, request, job, max_attempts, timeout });
    }

    /// The worker goes on to the jobs that it can be working on now.
    pub(super) fn begin_next(&mut self, id: WorkerId, now: Now, out: &mut Vec<Action>) {
        let is_followed = self.tells_runs;
        self.change(id, |worker, pool| {
            let name = is_followed.then(|| worker.name.clone());
            worker.begin_flights(now.mono, pool.settings.limits.kill_after, assign(id, name, pool, out));
        });
    }

    /// Whether somebody follows all runs, and is to be told of them.
    pub fn tell_of_runs(&mut self, yes: bool) {
        self.tells_runs = yes;
    }

    /// Gives back what is claimed ahead and matches.
    pub(super) fn hold_back(&mut self, id: PoolId, which: impl Fn(&Claimed) -> bool, out: &mut Vec<Action>) {
        self.hold_back_of(id, |_| true, which, out);
    }

    fn hold_back_of(
        &mut self,
        id: PoolId,
        of: impl Fn(ShareId) -> bool,
        which: impl Fn(&Claimed) -> bool,
        out: &mut Vec<Action>,
    ) {
        let Some(pool) = self.pools.get_mut(&id) else { return };
        let mut queues = Vec::new();
        for (_, share) in pool.shares.iter_mut().filter(|(id, _)| of(**id)) {
            share.ahead.retain(|job| {
                let back = which(job);
                if back {
                    out.push(Action::Write(Change::Unclaim { job: job.id, run: job.run }, Tag::None));
                    queues.push(job.queue.clone());
                }
                !back
            });
        }
        if !queues.is_empty() {
            self.news(&queues);
        }
    }

    /// There may be new ready jobs in these queues (in any, where none is named).
    pub(super) fn news(&mut self, queues: &[QueueName]) {
        for pool in self.pools.values_mut() {
            if queues.is_empty() || queues.iter().any(|q| pool.serves(q)) {
                pool.news += 1;
            }
        }
    }
}

/// Asks for jobs for the workers of a share that can take them.
fn claim_for(
    (id, pool): (PoolId, &mut Pool),
    share: ShareId,
    (allowed, lookahead): (u32, Lookahead),
    all: &Workers,
    out: &mut Vec<Action>,
) {
    let window = pool.window();
    let ours = |w: &WorkerId| all[*w].share == share;
    let workers = pool.load.iter().filter(|(_, _, w)| ours(w)).count() as u32;
    let room: u32 = pool.not_full(window).filter(ours).map(|w| room(&all[w], window)).sum();
    let lookahead = pool.ahead_of(workers, lookahead);
    let of = &pool.shares[&share];
    let on_the_way = of.ahead.len() as u32 + of.asked;
    let at_once: u32 = pool.not_full(window).filter(ours).map(|w| at_once(&all[w], window)).sum();
    let at_once = at_once.min(allowed).saturating_sub(on_the_way);
    let want = if of.at_once { at_once } else { (room + lookahead).min(allowed).saturating_sub(on_the_way) };
    // A small top-up waits until it is worth a statement, unless a worker would starve for it.
    if want == 0 || (want < lookahead / 2 && on_the_way > room && !of.at_once) {
        return;
    }
    let idle = pool.load.iter().take_while(|&&(load, _, _)| load == 0).map(|&(_, _, w)| w);
    let idle = idle.filter(|w| ours(w) && !all[*w].is_held());
    let workers = idle.skip(on_the_way as usize).take(want as usize).collect();
    let takes = takes(&pool.settings.queues, &mut pool.credits, want);
    let Some(of) = pool.shares.get_mut(&share) else { return };
    of.asked += want;
    let claim = Claim { takes, lanes: of.takes.clone(), workers, total: want, at_once, max_bytes: CLAIM_BYTES };
    out.push(Action::Write(Change::Claim(claim), Tag::Claim { pool: id, share, asked: want, news: pool.news }));
}

/// Tells the store who works on a job that begins, for the record of a master that dies; where jobs are long enough
/// for it. `name`: of the worker, where its runs are followed.
fn assign(worker: WorkerId, name: Option<Arc<str>>, pool: &Pool, out: &mut Vec<Action>) -> impl FnMut(&Claimed) {
    let long = pool.estimate.is_none_or(|took| took > Duration::from_millis(1));
    move |job| {
        let began = |worker: Option<&Arc<str>>| Notice::JobBegan {
            job: job.id,
            kind: job.kind.to_string(),
            worker: worker.map(ToString::to_string),
            of: job.into(),
        };
        if let Some(single) = &pool.single {
            out.push(single.tell(began(None)));
        }
        if name.is_some() && pool.single.as_ref().is_none_or(Single::is_lent) {
            out.push(Action::TellFollowers(began(name.as_ref())));
        }
        if long {
            let (job, run) = (job.id, job.run);
            out.push(Action::Write(Change::Assign { job, run, worker }, Tag::None));
        }
    }
}

/// How many more jobs a worker can begin at once.
fn at_once(worker: &Handle, window: u32) -> u32 {
    room(worker, window).min(worker.concurrency.max(1).saturating_sub(worker.flights.len() as u32))
}

/// How many more jobs a worker can be sent now.
fn room(worker: &Handle, window: u32) -> u32 {
    if worker.is_held() {
        return 0;
    }
    let held = worker.flights.len() as u32;
    let most = worker.concurrency.max(1) - 1 + window;
    let left = match worker.max_jobs {
        // Past its limit, but its turn to be replaced has not come: one at a time.
        Some(max) if worker.jobs_done >= max => 1,
        Some(max) => u32::try_from(max - worker.jobs_done).unwrap_or(u32::MAX),
        None => u32::MAX,
    };
    most.min(left).saturating_sub(held)
}

/// The order in which to try the queues for `total` jobs: by strict order, or each its share by smooth weighted
/// round robin, and then what the others left.
fn takes(order: &QueueOrder, credits: &mut [i64], total: u32) -> Vec<(QueueName, u32)> {
    let queues = match order {
        QueueOrder::Strict(queues) => return queues.iter().map(|q| (q.clone(), total)).collect(),
        QueueOrder::Weighted(queues) => queues,
    };
    let sum: i64 = queues.iter().map(|&(_, w)| i64::from(w)).sum();
    let mut shares: Vec<(usize, u32)> = Vec::new();
    for _ in 0..total {
        for (credit, (_, weight)) in credits.iter_mut().zip(queues) {
            *credit += i64::from(*weight);
        }
        let Some(best) = (0..queues.len()).max_by_key(|&i| (credits[i], std::cmp::Reverse(i))) else { break };
        credits[best] -= sum;
        match shares.iter_mut().find(|(i, _)| *i == best) {
            Some((_, n)) => *n += 1,
            None => shares.push((best, 1)),
        }
    }
    let shares = shares.into_iter().map(|(i, n)| (queues[i].0.clone(), n));
    let rest = queues.iter().map(|(q, _)| (q.clone(), total));
    shares.chain(rest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weighted_queues_get_their_shares_also_one_job_at_a_time() {
        let name = |n: &str| QueueName::new(n).unwrap();
        let order = QueueOrder::Weighted(vec![(name("high"), 3), (name("mail"), 1)]);
        let mut credits = vec![0, 0];
        let mut firsts = Vec::new();
        for _ in 0..8 {
            firsts.push(takes(&order, &mut credits, 1)[0].0.to_string());
        }
        assert_eq!(firsts.iter().filter(|q| *q == "high").count(), 6, "{firsts:?}");
        let many = takes(&order, &mut [0, 0], 8);
        assert_eq!(many[..2], [(name("high"), 6), (name("mail"), 2)]);
        assert_eq!(many[2..], [(name("high"), 8), (name("mail"), 8)]);
    }
}
