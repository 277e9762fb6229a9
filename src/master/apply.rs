//! Carrying out what the core decided.

use std::sync::Arc;

use super::Master;
use super::store_events::Purpose;
use crate::core::{Action, Signal, Tag};
use crate::model::change::{Change, Next};
use crate::model::supervision::StopSignal;
use crate::model::{Notice, Now, Occasion, WorkerId};
use crate::wire::worker::{JobTerms, write_cancel};

impl Master {
    /// Carries out actions until there are none: some have events of their own (a spawn), which lead to more.
    pub(super) fn carry_out(&mut self) {
        let mut actions = Vec::new();
        while self.core.take_actions(&mut actions) {
            let now = self.time.now();
            // Notices wake the thread that prints them, and can wait; a process may be waited for.
            let mut notices = Vec::new();
            for action in actions.drain(..) {
                self.carry_out_one(action, now, &mut notices);
            }
            for notice in notices {
                self.tell_who_waits(&notice);
                self.say(notice);
            }
        }
    }

    fn carry_out_one(&mut self, action: Action, now: Now, notices: &mut Vec<Notice>) {
        match action {
            Action::Spawn { worker, pool, slot } => self.start_worker(worker, pool, slot),
            Action::Send { worker, request, job, max_attempts, timeout } => {
                self.tell_dispatch(worker, &job);
                let deadline = now.wall.plus(timeout);
                self.children.send_job(worker, &job, &JobTerms { request, max_attempts, timeout, deadline });
            }
            Action::CancelRequest { worker, request, reason } => {
                if let Some(pipes) = self.children.write_to(worker) {
                    write_cancel(pipes.outgoing(), request, reason);
                }
            }
            Action::Drain { worker, why, grace } => self.drain_worker(worker, why, grace),
            Action::CloseStdin { worker } => {
                if let Some(pipes) = self.children.write_to(worker) {
                    pipes.close_stdin();
                    self.gateway.part_from(worker, "its input is closed".to_owned());
                }
            }
            Action::Signal { worker, signal } => self.signal_worker(worker, signal),
            Action::Measure { worker } => self.measure_worker(worker),
            Action::Write(op, tag) => self.write_for_core(op, tag, now),
            Action::Reply(ticket, reply) => self.requests.core_replied(ticket, reply),
            Action::Waits(ticket, awaited) => self.tell_awaited(ticket, awaited),
            Action::Tell(notice) => notices.push(notice),
            Action::TellClient(client, notice) => self.tell_client(client, &notice.into()),
            Action::TellFollowers(notice) => self.run_happens(notice),
            Action::TellIdle(pool) => self.call_hook(pool, Occasion::Idle),
        }
    }

    fn signal_worker(&mut self, worker: WorkerId, signal: Signal) {
        let Some(pipes) = self.children.get(worker) else { return };
        failpoint!("signal.before");
        let result = match signal {
            Signal::Term => pipes.terminate(self.stop_signal(worker)),
            Signal::Kill => pipes.kill(),
        };
        if let Err(error) = result {
            let name = Arc::clone(pipes.name());
            self.complain(format!("cannot signal worker `{name}`: {error}"));
        }
    }

    fn stop_signal(&self, worker: WorkerId) -> StopSignal {
        let pool = self.core.worker(worker).and_then(|worker| self.core.pool(worker.pool));
        pool.map(|pool| pool.settings.supervision.stop_signal).unwrap_or_default()
    }

    fn write_for_core(&mut self, change: Change, tag: Tag, now: Now) {
        self.tell_change(&change, tag);
        let urgent = match &change {
            // An idle worker, or a client, waits for it.
            Change::Claim(claim) => !claim.workers.is_empty(),
            Change::Cancel { .. } | Change::Promote { .. } | Change::ArmProcessors(_) | Change::Tick(_) => true,
            Change::Shift(shift) => shift.by != 0,
            _ => false,
        };
        let mut purpose = Purpose::Core(tag);
        if let Change::Finish(finish) = &change {
            self.meters.count_run(finish.outcome, finish.next, now.mono);
            self.traces.ended(finish);
            if !matches!(finish.next, Next::Ready | Next::Behind) {
                let job = finish.job.id;
                purpose = if let Tag::Died(pool) = tag { Purpose::Died(job, pool) } else { Purpose::EndRun(job) };
            }
        }
        match change {
            Change::Progress { job, run, progress } => self.batches.add_progress((job, run), progress, purpose, now),
            change => self.batches.add(change, purpose, urgent, false, now),
        }
    }
}
