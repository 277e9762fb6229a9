//! Runs that are open when others are due, asked for, or begun outside.

use super::*;

#[test]
fn a_run_that_is_open_when_its_master_dies_stays_one_run() {
    let mut host = Host::one(|_| {}, every(10));
    host.seconds(10);
    host.dead_for(Duration::from_secs(50));
    host.seconds(30);
    assert_eq!(host.runs(), ["10 schedule"]);
    host.work();
    assert_eq!(host.records()[0].state, ProcessorRunState::Succeeded);
    host.work_for(11);
    assert_eq!(host.records().len(), 2, "counted from its end");
}

#[test]
fn while_a_run_is_open_a_tick_is_passed_over_or_waits_or_runs_beside_it_or_ends_it() {
    let open = |overlap| {
        let mut host = Host::one(|one| one.overlap = overlap, tens());
        host.seconds(35);
        host
    };
    let mut skip = open(Overlap::Skip);
    assert_eq!((skip.ticks(), skip.skipped()), (vec![10], (2, Some("overlap"))));
    let mut allow = open(Overlap::Allow);
    assert_eq!(allow.ticks(), [10, 20, 30]);
    let mut one = open(Overlap::Queue);
    assert_eq!(one.ticks(), [10]);
    one.work();
    assert_eq!(one.ticks(), [10, 30], "one follows, never two");
    assert_eq!((one.skipped(), one.told.len()), ((1, Some("overlap")), 0), "nothing was missed");
    let mut replace = open(Overlap::Replace);
    assert_eq!(replace.ticks(), [10, 20, 30]);
    let states: Vec<_> = replace.records().iter().map(|run| run.state).collect();
    assert_eq!(states, [ProcessorRunState::Cancelled, ProcessorRunState::Cancelled, ProcessorRunState::Waiting]);
}

#[test]
fn run_now_does_not_move_the_next_tick() {
    for timing in [tens(), every(10)] {
        let mut host = Host::one(|_| {}, timing);
        host.seconds(7);
        host.run_now(1, false);
        host.work();
        host.work_for(5);
        assert_eq!(host.runs(), ["now", "10 schedule"]);
        assert!(host.told[0].starts_with("ticket 1: Ok(Ran"), "{:?}", host.told);
    }
}

#[test]
fn run_now_is_refused_when_disabled_unless_forced_and_while_a_run_is_open() {
    let mut host = Host::one(|_| {}, tens());
    host.switch(Some(false));
    host.run_now(1, false);
    host.run_now(2, true);
    host.run_now(3, true);
    let command = Command::RunProcessor { processor: "q".into(), args: None, force: false };
    host.event(Event::Command { ticket: Ticket(4), caller: None, command });
    host.settle();
    assert!(host.told[0].contains("Disabled"), "{:?}", host.told);
    assert!(host.told[1].contains("Ok(Ran"), "{:?}", host.told);
    assert!(host.told[2].contains("RunOpen"), "{:?}", host.told);
    assert!(host.told[3].contains("NoSuchProcessor"), "{:?}", host.told);
    assert_eq!(host.runs(), ["now"]);
}

#[test]
fn a_run_outside_counts_for_overlap_and_is_lost_after_its_timeout_or_with_its_process() {
    let mut host = Host::one(|_| {}, tens());
    let name = ProcessorName::new("p").unwrap();
    let process = ForeignProcess { host: "h".into(), pid: 7, start: 9, boot_id: "b".into() };
    let deadline = Some(host.now.wall.plus(Duration::from_secs(25)));
    let begin = BeginRun { processor: name.clone(), configured: Some(true), process: Some(process.clone()), deadline };
    let Reply::RunBegun(run) = host.apply(Op::Request(Request::BeginRun(begin))) else { panic!("not begun") };
    let open = crate::model::processor::OpenRun { id: run.id, job: None, process: Some(process), deadline };
    host.event(Event::RunBegun { processor: name, run: open });
    assert_eq!(host.core.foreign_runs().count(), 1);
    host.seconds(24);
    assert_eq!((host.runs(), host.skipped()), (vec![String::from("foreign")], (2, Some("overlap"))));
    host.seconds(2);
    assert_eq!(host.records()[0].state, ProcessorRunState::Lost);
    assert_eq!(host.core.foreign_runs().count(), 0);
    host.work_for(10);
    assert_eq!(host.runs(), ["foreign", "30 schedule"]);
    assert_eq!(host.told.iter().filter(|told| told.contains("RunLost")).count(), 1);
}

#[test]
fn ended_runs_of_processors_that_are_not_configured_are_of_no_concern() {
    let mut host = Host::new(Vec::new());
    let ended = EndedRun {
        processor: ProcessorName::new("gone").unwrap(),
        id: crate::model::ProcessorRunId(9),
        state: ProcessorRunState::Succeeded,
        ended_at: host.now.wall,
    };
    host.event(Event::RunsEnded(vec![ended]));
    host.settle();
    assert_eq!(host.core.next_deadline(host.now), None);
}

#[test]
fn a_tick_that_waits_long_for_the_run_before_is_no_missed_one() {
    for missed in [Missed::Once, Missed::Skip, Missed::All] {
        let mut host = Host::one(|one| (one.overlap, one.missed) = (Overlap::Queue, missed), tens());
        host.seconds(305);
        host.work();
        assert_eq!(host.runs(), ["10 schedule", "300 schedule"], "{missed:?}");
        assert_eq!(host.skipped(), (28, Some("overlap")));
        let mut host = Host::one(|one| (one.sleep, one.missed) = (Duration::from_mins(5), missed), tens());
        host.work_for(312);
        assert_eq!(host.runs(), ["10 schedule", "310 schedule"], "{missed:?}");
    }
}

#[test]
fn ticks_made_late_by_a_sleep_of_the_machine_or_by_the_disk_are_all_made_up_for_though_their_runs_meet() {
    for overlap in [Overlap::Skip, Overlap::Queue, Overlap::Allow] {
        let mut host = Host::one(|one| (one.missed, one.overlap) = (Missed::All, overlap), tens());
        host.work_for(12);
        for late in [25, 100] {
            host.asleep_for(Duration::from_secs(late));
            host.work_for(15);
        }
        assert_eq!(host.ticks(), (10..=160).step_by(10).collect::<Vec<i64>>(), "{overlap:?}");
        assert_eq!(host.skipped(), (0, None));
    }
}

#[test]
fn a_run_that_ends_in_the_batch_in_which_its_processor_is_armed_anew_is_over() {
    let mut host = Host::one(|_| {}, every(10));
    host.seconds(10);
    let changed = settings("p", every(7));
    host.core.set_processors(vec![(changed, Duration::ZERO)]);
    host.core.settle(host.now, &mut host.out);
    let Some(Action::Write(arm @ Change::ArmProcessors(_), tag)) = host.out.pop() else { panic!("not armed") };
    let answer = host.apply(Op::Change(arm));
    let ended = {
        let run = host.records()[0].clone();
        let state = ProcessorRunState::Succeeded;
        EndedRun { processor: run.processor, id: run.id, state, ended_at: host.now.wall }
    };
    let Ok(armed) = Event::of_processor(tag, answer) else { panic!("no answer") };
    host.event(armed);
    host.event(Event::RunsEnded(vec![ended]));
    host.settle();
    assert!(host.core.next_deadline(host.now).is_some(), "it has a next tick");
}

#[test]
fn who_asked_for_a_run_of_a_processor_that_a_reload_takes_away_is_answered() {
    let mut host = Host::one(|_| {}, tens());
    host.switch(Some(false));
    let command = Command::RunProcessor { processor: "p".into(), args: None, force: false };
    host.event(Event::Command { ticket: Ticket(1), caller: None, command });
    host.core.set_processors(Vec::new());
    host.settle();
    assert_eq!(host.told, ["ticket 1: Err(ProcessorGone)"]);
}
