//! Pools that scale themselves: what the file, flags and variables say, and what is refused.

use super::*;
use crate::model::autoscale::{Autoscale, Budget, Sharing, Step};

#[track_caller]
fn one(case: &Case) -> Option<Autoscale> {
    let loaded = case.load();
    let [pool] = &loaded.config.pools[..] else { panic!("{:?}", loaded.config.pools) };
    pool.settings.autoscale.as_deref().cloned()
}

#[track_caller]
fn problem(toml: &str) -> String {
    let errors = Case::new(toml).errors();
    let [error] = &errors[..] else { panic!("{errors:#?}") };
    error.trim_start_matches("queue-work.toml:").to_owned()
}

#[test]
fn a_word_a_range_or_a_table_say_that_a_pool_scales_itself() {
    let bounds = |toml: &str| one(&Case::new(toml)).map(|of| (of.min, of.max));
    assert_eq!(bounds("[pools.a]\nworkers = 6\n"), None);
    assert_eq!(bounds("[pools.a]\nworkers = 6\nautoscale = false\n"), None);
    assert_eq!(bounds("[pools.a]\nworkers = 6\nautoscale = true\n"), Some((1, 6)));
    assert_eq!(bounds("[pools.a]\nautoscale = \"0..20\"\n"), Some((0, 20)));
    assert_eq!(bounds("[pools.a]\nworkers = 6\n[pools.a.autoscale]\nmin = 2\n"), Some((2, 6)));
    let of = one(&Case::new("[pools.a]\nautoscale = \"1..8\"\n")).unwrap();
    assert_eq!((of.target_wait, of.hold, of.target_cpu, of.cpu_max), (secs(5), secs(120), None, Some(0.9)));
    assert_eq!((of.memory_budget, of.step_up, of.step_down), (Some(Budget::Share(0.8)), None, Some(Step::Share(0.25))));
    let toml = "[pools.a.autoscale]\nmin = 1\nmax = 8\ntarget_wait = \"2s\"\ntarget_cpu = 0.7\ncpu_max = \"off\"\n\
                memory_budget = \"4G\"\nhold = \"1m\"\nstep_up = 3\nstep_down = \"off\"\n\
                [[pools.a.autoscale.schedule]]\ncron = \"0 8 * * MON-FRI\"\ntimezone = \"UTC\"\nfor = \"10h\"\nmin = 4\n\
                [autoscale]\nmax_processes = 256\nshare = \"by_priority\"\n";
    let case = Case::new(toml);
    let of = one(&case).unwrap();
    assert_eq!((of.target_wait, of.hold, of.target_cpu, of.cpu_max), (secs(2), secs(60), Some(0.7), None));
    assert_eq!(
        (of.memory_budget, of.step_up, of.step_down),
        (Some(Budget::Bytes(4 << 30)), Some(Step::Workers(3)), None)
    );
    let together = case.load().config.together;
    assert_eq!((together.max_processes, together.share), (Some(256), Sharing::ByPriority));
    // Monday, 2026-03-02, in minutes of the day.
    let at = |minute: i64| of.bounds(crate::model::UnixMicros((1_772_409_600 + minute * 60) * 1_000_000)).least;
    assert_eq!([at(479), at(480), at(1079), at(1080)], [1, 4, 4, 1]);
    let shown = show(&case.load());
    let line = |key: &str| shown.iter().find(|line| line.key == key).map(|line| (&*line.value, &*line.origin)).unwrap();
    assert_eq!(line("pools.a.autoscale.hold"), ("1m", "file queue-work.toml:8"));
    assert_eq!(line("pools.a.autoscale.schedule").0, "0 8 * * MON-FRI (UTC) for 10h, min 4");
    assert_eq!(line("autoscale.max_processes"), ("256", "file queue-work.toml:17"));
}

#[test]
fn flags_and_variables_say_it_too_and_flags_win() {
    let case = |toml: &str, given: &[(&'static str, &str)]| {
        Case::new(toml).flags(Flags { limits: limits(given), ..Flags::default() })
    };
    let file = "[pools.a.autoscale]\nmin = 2\nmax = 4\nhold = \"1m\"\n";
    let of = one(&case(file, &[("autoscale", "1..8"), ("target_wait", "3s")])).unwrap();
    assert_eq!((of.min, of.max, of.target_wait, of.hold), (1, 8, secs(3), secs(60)));
    let variable = |text: &str| one(&Case::new("[pools.a]\n").env("QUEUE_WORK_POOLS_A_AUTOSCALE", text));
    assert_eq!(variable("0..3").map(|of| (of.min, of.max)), Some((0, 3)));
    assert_eq!(variable("{ min = 2, max = 3 }").map(|of| (of.min, of.max)), Some((2, 3)));
    assert_eq!(one(&Case::new(file).env("QUEUE_WORK_POOLS_A_AUTOSCALE", "false")), None);
    let refused = |given: &[(&'static str, &str)]| case("[pools.a]\n", given).errors().join("\n");
    assert_eq!(
        refused(&[("target_wait", "3s")]),
        "`--target-wait`: a pool that does not scale itself has none; give `--autoscale 1..8`, too"
    );
    assert_eq!(refused(&[("autoscale", "8..1")]), "`--autoscale`: it is 8..1; write the smaller number first");
    assert_eq!(
        refused(&[("autoscale", "8")]),
        "`--autoscale`: it is \"8\"; it must be the least and the most workers, such as \"1..8\""
    );
}

#[test]
fn every_bad_value_is_refused_at_its_place() {
    let in_table = |line: &str| problem(&format!("[pools.a.autoscale]\n{line}\n"));
    let table = [
        ("min = -1", "2:7: `min` is -1; the least is 0"),
        ("max = 0", "2:7: `max` is 0; the least is 1"),
        ("max = 10001", "2:7: `max` is 10001; the most is 10000"),
        ("min = 9\nmax = 8", "2:1: `min` is 9, but `max` is 8; `min` must not be above it"),
        ("target_wait = 5", "2:15: `target_wait`: `5` has no unit; write `10s`, `5m` or `2h`"),
        ("target_wait = \"0s\"", "2:15: `target_wait` is 0s; the least is 1ms"),
        (
            "target_cpu = 70",
            "2:14: `target_cpu` is 70; it must be a number over 0 and at most 1, such as 0.8, or \"off\"",
        ),
        ("cpu_max = 0.0", "2:11: `cpu_max` is 0.0; it must be a number over 0 and at most 1, such as 0.8, or \"off\""),
        ("memory_budget = \"120%\"", "2:17: `memory_budget`: `120%` is no share; write \"1%\" to \"100%\""),
        ("memory_budget = \"much\"", "2:17: `memory_budget`: `much` is not a size; write `512K`, `128M` or `2G`"),
        ("step_up = 0", "2:11: `step_up`: `0` is no step; write a number of workers from 1 to 10000, or \"25%\""),
        ("step_down = 2.5", "2:13: `step_down` is 2.5; it must be a number of workers or \"25%\", or \"off\""),
        ("hold = \"long\"", "2:8: `hold`: `long` is not a duration; write `10s`, `5m` or `2h`"),
        ("mix = 1", "2:1: unknown key `mix`; did you mean `min`?"),
        ("schedule = 4", "2:12: `schedule` is 4; write a table `[[pools.a.autoscale.schedule]]` for each time"),
    ];
    for (line, message) in table {
        assert_eq!(in_table(line), message);
    }
    assert_eq!(
        problem("[pools.a]\nautoscale = 8\n"),
        "2:13: `autoscale` is 8; it must be true, \"1..8\", or a table of its own"
    );
    assert_eq!(problem("[autoscale]\nmax_processes = 0\n"), "2:17: `max_processes` is 0; the least is 1");
    assert_eq!(
        problem("[pools.a]\nkind = \"opaque\"\ncommand = [\"w\"]\nautoscale = true\n"),
        "4:1: an opaque worker fetches its own jobs elsewhere, so there is nothing to scale by; leave it out"
    );
}

#[test]
fn every_bad_time_of_the_schedule_is_refused_at_its_place() {
    let window = |lines: &str| problem(&format!("[[pools.a.autoscale.schedule]]\n{lines}\n"));
    let table = [
        ("for = \"1h\"\nmin = 1", "1:1: a time of `schedule` has no `cron`; write when it begins and for how long"),
        ("cron = \"@daily\"\nmin = 1", "1:1: a time of `schedule` has no `for`; write when it begins and for how long"),
        ("cron = \"@daily\"\nfor = \"1h\"", "1:1: a time of `schedule` changes nothing; write `min` or `max`"),
        (
            "cron = \"@daily\"\nfor = \"1h\"\nmin = 5\nmax = 4",
            "1:1: `min` is 5, but `max` is 4; `min` must not be above it",
        ),
        (
            "cron = \"@daily\"\nfor = \"1h\"\nmin = 5\ntimezone = \"Mars/Olympus\"",
            "5:12: `timezone`: there is no time zone `Mars/Olympus`; write an IANA name, such as \"Europe/Berlin\", or \"local\"",
        ),
        ("cron = \"@daily\"\nfor = \"1h\"\nmin = 5\nmux = 4", "5:1: unknown key `mux`; did you mean `max`?"),
    ];
    for (lines, message) in table {
        assert_eq!(window(lines), message);
    }
    assert!(window("cron = \"61 * * * *\"\nfor = \"1h\"\nmin = 5").starts_with("2:8: `cron`: the minute `61`"));
}
