//! Which ticks have a run, as masters come and go, schedules change and clocks are set.

use std::collections::BTreeMap;

use super::*;

#[test]
fn a_calendar_runs_at_its_ticks_and_an_interval_counts_from_the_end_of_the_run_before() {
    let mut host = Host::one(|_| {}, tens());
    host.work_for(31);
    assert_eq!(host.runs(), ["10 schedule", "20 schedule", "30 schedule"]);
    let mut host = Host::one(|_| {}, every(5));
    host.seconds(5);
    assert_eq!(host.ticks(), [5], "the first run is no surprise at the start");
    host.seconds(20);
    assert_eq!(host.ticks(), [5], "it is not over");
    host.work();
    host.work_for(7);
    assert_eq!(host.ticks(), [5, 30]);
}

#[test]
fn a_grid_keeps_its_phase_however_long_a_run_takes() {
    let mut host = Host::one(|_| {}, Timing::Grid(Duration::from_secs(10)));
    host.seconds(14);
    host.work();
    host.work_for(10);
    assert_eq!(host.ticks(), [10, 20]);
}

#[test]
fn the_least_pause_after_a_run_puts_off_the_next_one() {
    let mut host = Host::one(|one| one.sleep = Duration::from_secs(8), tens());
    host.seconds(15);
    host.work();
    host.seconds(6);
    assert_eq!(host.ticks(), [10]);
    host.seconds(2);
    assert_eq!(host.ticks(), [10, 20]);
}

#[test]
fn a_disabled_processor_records_no_run_and_its_interval_goes_on() {
    for timing in [tens(), every(10)] {
        let mut host = Host::one(|_| {}, timing);
        host.switch(Some(false));
        host.work_for(35);
        assert_eq!(host.runs(), [""; 0]);
        assert_eq!(host.skipped(), (3, Some("disabled")));
        host.switch(None);
        host.work_for(10);
        assert_eq!(host.ticks(), [40]);
    }
    let mut host = Host::one(|one| one.enabled = false, tens());
    host.work_for(15);
    host.switch(Some(true));
    host.work_for(10);
    assert_eq!(host.ticks(), [20], "the word of an operator wins over the file");
}

#[test]
fn a_tick_missed_while_down_runs_once_or_not_or_all_in_order() {
    let down = |missed| {
        let mut host = Host::one(|one| one.missed = missed, tens());
        host.work_for(12);
        host.dead_for(Duration::from_secs(43));
        host.work_for(6);
        host
    };
    let mut once = down(Missed::Once);
    assert_eq!(once.runs(), ["10 schedule", "50 missed", "60 schedule"]);
    assert_eq!(once.skipped(), (3, Some("missed")));
    assert!(once.told.iter().any(|told| told.contains("TicksMissed") && told.contains("missed: 3, ran: true")));
    let mut skip = down(Missed::Skip);
    assert_eq!(skip.runs(), ["10 schedule", "60 schedule"]);
    assert_eq!(skip.skipped(), (4, Some("missed")));
    let mut all = down(Missed::All);
    assert_eq!(
        all.runs(),
        ["10 schedule", "20 missed", "30 missed", "40 missed", "50 missed", "60 schedule"],
        "one after the other, though runs must not overlap"
    );
    assert_eq!(all.skipped(), (0, None));
}

#[test]
fn an_interval_missed_while_down_runs_once_after_the_start() {
    let mut host = Host::one(|_| {}, every(10));
    host.work_for(12);
    host.dead_for(Duration::from_secs(95));
    host.work_for(3);
    assert_eq!(host.runs(), ["10 schedule", "20 missed"]);
    host.work_for(10);
    assert_eq!(host.records().len(), 3);
}

#[test]
fn a_run_at_the_start_of_a_master_is_made_once_for_each_start() {
    let mut host = Host::one(|one| one.run_at_start = true, tens());
    assert_eq!(host.runs(), ["start"]);
    host.work();
    let again = host.settings.iter().map(|one| (one.clone(), Duration::ZERO)).collect();
    host.core.set_processors(again);
    host.settle();
    host.dead_for(Duration::from_secs(3));
    assert_eq!(host.runs(), ["start", "start"]);
}

#[test]
fn a_schedule_that_was_changed_begins_anew_without_making_up_for_the_old_one() {
    let mut host = Host::one(|_| {}, tens());
    host.work_for(12);
    host.settings = vec![settings("p", Timing::Calendar(std::sync::Arc::new(Seconds(7))))];
    host.dead_for(Duration::from_mins(1));
    host.work_for(8);
    assert_eq!(host.runs(), ["10 schedule", "76 schedule"]);
    host.settings = vec![settings("p", every(5))];
    let changed = host.settings.iter().map(|one| (one.clone(), Duration::ZERO)).collect();
    host.core.set_processors(changed);
    host.work_for(5);
    assert_eq!(host.records().len(), 3, "while it runs, too");
    host.core.set_processors(Vec::new());
    host.work_for(60);
    assert_eq!(host.records().len(), 3, "one that is gone is not armed");
}

#[test]
fn an_interval_waits_as_long_as_it_was_to_when_the_clock_is_set_and_a_date_is_not_run_twice() {
    for by in [3600, -3600] {
        let mut host = Host::one(|_| {}, every(10));
        host.work_for(14);
        host.set_clock(by);
        host.work_for(5);
        assert_eq!(host.records().len(), 1, "{by}");
        host.work_for(2);
        assert_eq!(host.records().len(), 2, "{by}");
        host.work_for(10);
        assert_eq!(host.records().len(), 3, "{by}");
    }
    let mut host = Host::one(|_| {}, tens());
    host.work_for(32);
    host.set_clock(-15);
    host.work_for(20);
    assert_eq!(host.ticks(), [10, 20, 30]);
    host.work_for(5);
    assert_eq!(host.ticks(), [10, 20, 30, 40]);
}

#[test]
fn a_clock_that_was_wrong_for_years_does_not_stop_a_processor() {
    for timing in [tens(), Timing::Grid(Duration::from_secs(10)), every(10)] {
        let years = 73 * 365 * 86_400;
        let mut host = Host::one(|_| {}, timing);
        host.set_clock(years);
        host.work_for(25);
        let before = host.records().len();
        host.now.wall.0 -= years * 1_000_000;
        host.dead_for(Duration::from_secs(5));
        host.work_for(25);
        assert!((2..=3).contains(&(host.records().len() - before)), "{:?}", host.runs());
    }
}

#[test]
fn a_job_that_cannot_start_before_the_next_tick_expires_then_unless_every_tick_is_to_run() {
    let mut host = Host::one(|_| {}, tens());
    host.seconds(10);
    let runs = host.records();
    let jobs: BTreeMap<_, _> = runs.iter().map(|run| (run.job_id, run.tick)).collect();
    let job = host.store.job(runs[0].job_id.unwrap()).unwrap().unwrap();
    assert_eq!(job.expires_at, Some(UnixMicros(1_000_020_000_000)), "{jobs:?}");
    let mut host = Host::one(|one| one.missed = Missed::All, tens());
    host.seconds(10);
    let id = host.records()[0].job_id.unwrap();
    assert_eq!(host.store.job(id).unwrap().unwrap().expires_at, None);
}

#[test]
fn thousands_of_processors_that_are_due_at_once_are_asked_for_in_one_turn() {
    let all = (0..5_000).map(|n| settings(&format!("p{n}"), tens())).collect();
    let mut host = Host::new(all);
    host.seconds(10);
    assert_eq!(host.records().len(), 5_000);
    assert_eq!(host.work(), 1000);
}

#[test]
fn the_job_of_a_run_is_asked_for_at_once() {
    let mut host = Host::one(|_| {}, tens());
    let mut pool = super::super::settings("default");
    pool.limits.workers = 1;
    host.core.add_pool(pool).unwrap();
    host.seconds(1);
    let worker = host.core.workers().next().unwrap().0;
    host.event(Event::Spawned { worker, pid: 7 });
    host.event(Event::Ready { worker, concurrency: 1, types: None });
    host.settle();
    let claim = |host: &mut Host| {
        host.core.claim(&mut host.out);
        match std::mem::take(&mut host.out).as_slice() {
            [] => None,
            [Action::Write(_, Tag::Claim { pool, share, asked, news })] => Some((*pool, *share, *asked, *news)),
            other => panic!("{other:?}"),
        }
    };
    let (pool, share, asked, news) = claim(&mut host).expect("it is idle");
    host.event(Event::Claimed { pool, share, asked, news, jobs: Vec::new(), more: false, held: HeldBack::default() });
    host.seconds(7);
    assert_eq!(claim(&mut host), None, "there was nothing");
    host.seconds(2);
    assert!(claim(&mut host).is_some());
}

#[test]
fn nothing_is_due_while_the_master_stops() {
    let mut host = Host::one(|_| {}, tens());
    host.event(Event::Stop { grace: None, caller: None });
    host.seconds(60);
    assert_eq!(host.runs(), [""; 0]);
}

#[test]
fn runs_of_a_processor_are_kept_for_as_long_as_it_says() {
    let mut own = settings("p", tens());
    own.keep_runs = Some(Duration::from_mins(2));
    let mut host = Host::new(vec![own, settings("q", tens())]);
    let day = Duration::from_hours(24);
    host.core.keep_records_for(crate::model::change::KeepFor { succeeded: day, dead: day, runs: day, audit: day });
    host.core.settle(host.now, &mut host.out);
    let prune = host.out.drain(..).find_map(|action| match action {
        Action::Write(Change::Prune { keep_runs, .. }, _) => Some(keep_runs),
        _ => None,
    });
    let since = host.now.wall.minus(Duration::from_mins(2));
    assert_eq!(prune.unwrap().iter().collect::<Vec<_>>(), [(&ProcessorName::new("p").unwrap(), &since)]);
}

#[test]
fn an_interval_of_nothing_waits_for_its_pause_also_where_ticks_are_passed_over() {
    let mut host = Host::one(|one| one.sleep = Duration::from_secs(5), every(0));
    host.switch(Some(false));
    host.work_for(31);
    assert_eq!(host.skipped(), (7, Some("disabled")));
}

#[test]
fn a_calendar_that_was_armed_by_a_wrong_clock_runs_when_the_clock_is_right() {
    let years = 73 * 365 * 86_400;
    let mut host = Host::new(Vec::new());
    host.set_clock(years);
    host.core.set_processors(vec![(settings("p", tens()), Duration::ZERO)]);
    host.settle();
    host.set_clock(-years);
    host.work_for(15);
    assert_eq!(host.records().len(), 1);
}

#[test]
fn jitter_that_is_longer_than_the_interval_puts_off_every_tick_and_loses_none() {
    let mut host = Host::one(|one| one.jitter = Duration::from_secs(35), tens());
    let jittered = host.settings.iter().map(|one| (one.clone(), Duration::from_secs(33))).collect();
    host.core.set_processors(jittered);
    host.work_for(75);
    assert_eq!((host.ticks(), host.skipped(), host.told.len()), (vec![10, 20, 30, 40], (0, None), 0));
}
