//! The table by itself: who is answered when, and that nothing is left of a request whose asker has gone.

use super::*;
use crate::master::clients::ClientId;
use crate::model::Pushed;

fn asker(client: usize) -> Asker {
    Asker { peer: Peer::Client(ClientId(client)), by: None, under: "1".into() }
}

fn pushed(job: i64) -> Answer {
    Answer::Pushed(Pushed { id: JobId(job), deduplicated: false, batch: None })
}

/// Takes what is committed up to a batch.
fn committed(requests: &mut Table, batch: u64) -> Vec<u64> {
    let answered = std::iter::from_fn(|| requests.next_committed(batch));
    answered.map(|(ticket, _)| ticket.0).collect()
}

#[test]
fn an_answer_is_held_until_its_batch_or_a_later_one_is_committed() {
    let mut requests = Table::default();
    for batch in [3, 4, 4, 6] {
        let ticket = requests.open(asker(1), None);
        requests.wait_for_commit(ticket, batch, Answer::Yes);
    }
    assert_eq!(committed(&mut requests, 2), [0; 0]);
    assert_eq!(committed(&mut requests, 4), [1, 2, 3]);
    assert_eq!(committed(&mut requests, u64::MAX), [4]);
}

#[test]
fn a_commit_releases_no_answer_that_waits_for_the_disk() {
    let mut requests = Table::default();
    let ticket = requests.open(asker(1), None);
    requests.wait_for_sync(ticket, 1, pushed(7));
    assert_eq!(committed(&mut requests, 9), [0; 0]);
    assert!(requests.next_synced(0).is_none());
    assert!(matches!(requests.next_synced(1), Some((_, Answer::Pushed(Pushed { id: JobId(7), .. })))));
    assert!(requests.close(ticket).is_some());
    assert!(requests.close(ticket).is_none(), "it was answered");
}

#[test]
fn nothing_is_left_of_the_requests_of_a_client_that_has_gone_wherever_they_wait() {
    let mut requests = Table::default();
    let tickets: Vec<Ticket> = (0..7).map(|_| requests.open(asker(1), None)).collect();
    let other = requests.open(asker(2), None);
    requests.wait_for_commit(tickets[1], 1, Answer::Yes);
    requests.wait_for_sync(tickets[2], 1, pushed(1));
    requests.wait_for_job(tickets[3], JobId(1), Some(Mono(5)), None);
    requests.wait_for_job(tickets[4], JobId(1), Some(Mono(5)), Some(WorkerId(1)));
    requests.rests(tickets[4]);
    requests.wait_for_end(tickets[5]);
    requests.gather(tickets[6], 2, Answer::Yes);

    requests.drop_gone(|peer| peer == Peer::Client(ClientId(1)));

    assert!(requests.next_committed(9).is_none() && requests.next_synced(9).is_none());
    assert_eq!(requests.job_may_have_ended(JobId(1)), []);
    assert_eq!((requests.next_deadline(), requests.resting_callers().count()), (None, 0));
    assert_eq!(requests.waiting_for_end(), []);
    assert!(requests.part(tickets[6], |_| panic!("nobody gathers")).is_none());
    assert!(tickets.iter().all(|&ticket| requests.peer(ticket).is_none() && requests.close(ticket).is_none()));
    assert!(requests.close(other).is_some());
    assert!(requests.open.is_empty() && requests.by_job.is_empty() && requests.until.is_empty());
}

#[test]
fn an_answer_that_is_gathered_is_whole_with_its_last_part() {
    let mut requests = Table::default();
    let ticket = requests.open(asker(1), None);
    requests.gather(ticket, 2, pushed(0));
    let add = |requests: &mut Table| {
        requests.part(ticket, |so_far| {
            if let Answer::Pushed(pushed) = so_far {
                pushed.id.0 += 1;
            }
        })
    };
    assert!(add(&mut requests).is_none());
    assert!(matches!(add(&mut requests), Some(Answer::Pushed(Pushed { id: JobId(2), .. }))));
    assert!(add(&mut requests).is_none(), "a part too many changes nothing");
}

#[test]
fn who_asks_for_a_job_when_it_may_have_ended_asks_again_and_who_rests_asks_now() {
    let mut requests = Table::default();
    let (asking, resting, other) =
        (requests.open(asker(1), None), requests.open(asker(1), None), requests.open(asker(1), None));
    for (ticket, job) in [(asking, 1), (resting, 1), (other, 2)] {
        requests.wait_for_job(ticket, JobId(job), None, None);
    }
    requests.rests(resting);
    requests.rests(other);
    assert_eq!(requests.job_may_have_ended(JobId(1)), [resting]);
    let outdated = |requests: &Table, ticket| requests.job_end(ticket).map(|(_, outdated)| outdated);
    assert_eq!(outdated(&requests, asking), Some(true));
    requests.asks(asking);
    assert_eq!(outdated(&requests, asking), Some(false), "it is asked again, once");
}

#[test]
fn a_wait_has_a_deadline_while_it_rests_only() {
    let mut requests = Table::default();
    let ticket = requests.open(asker(1), None);
    requests.wait_for_job(ticket, JobId(1), Some(Mono(5)), None);
    assert_eq!(requests.next_deadline(), None, "the reader is asked");
    requests.rests(ticket);
    assert_eq!((requests.next_deadline(), requests.expired(Mono(4)).len()), (Some(Mono(5)), 0));
    assert_eq!(requests.expired(Mono(5)), [ticket]);
    requests.asks(ticket);
    assert_eq!(requests.next_deadline(), None);
}
