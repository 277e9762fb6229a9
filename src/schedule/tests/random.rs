//! Expressions and moments at random: nothing panics, and both directions agree.
//!
//! `PROPTEST_CASES` gives the number of cases.

use proptest::prelude::*;

use super::*;

const ZONES: [&str; 6] = [
    "Europe/Berlin",
    "Pacific/Apia",
    "Australia/Lord_Howe",
    "Antarctica/Troll",
    "Africa/Casablanca",
    "America/St_Johns",
];

/// A field that is mostly right.
fn field(most: u32) -> impl Strategy<Value = String> {
    let number = move || (0..=most).prop_map(|n| n.to_string());
    prop_oneof![
        4 => number(),
        4 => Just("*".to_owned()),
        2 => (1..=most).prop_map(|n| format!("*/{n}")),
        1 => (number(), number()).prop_map(|(from, to)| format!("{from}-{to}")),
        1 => (number(), number(), 1..=most).prop_map(|(from, to, step)| format!("{from}-{to}/{step},{to}")),
        1 => prop::sample::select(vec!["L", "LW", "15W", "1W", "SUN#5", "5L", "?", "+1", "FEB", "SAT-SUN"]).prop_map(str::to_owned),
    ]
}

fn expression() -> impl Strategy<Value = String> {
    let five = (field(59), field(23), field(31), field(12), field(7));
    (prop::option::weighted(0.3, field(59)), five).prop_map(|(second, (minute, hour, day, month, weekday))| {
        let second = second.map(|second| second + " ").unwrap_or_default();
        format!("{second}{minute} {hour} {day} {month} {weekday}")
    })
}

proptest! {
    #[test]
    fn any_expression_has_the_same_ticks_in_both_directions(
        expression in expression(),
        zone in prop::sample::select(ZONES.to_vec()),
        second in 0..4_102_444_800_i64,
    ) {
        let Ok(schedule) = Calendar::new([&*expression], Zone::find(zone).unwrap()) else { return Ok(()) };
        let at = UnixMicros(second * 1_000_000 + 1);
        let next = schedule.after(at).expect("a tick before 2400");
        let before = |tick: UnixMicros| UnixMicros(tick.0 - 1);
        prop_assert!(next > at);
        prop_assert_eq!(schedule.until(next), Some(next));
        match schedule.until(at) {
            Some(last) => {
                prop_assert!(last <= at);
                prop_assert_eq!(schedule.after(last), Some(next));
                prop_assert_eq!(schedule.after(before(last)), Some(last));
                prop_assert_eq!(schedule.until(before(next)), Some(last));
            }
            None => prop_assert!(schedule.until(before(next)).is_none()),
        }
    }

    #[test]
    fn any_text_is_refused_or_taken_and_never_more(text in "[0-9*/,LWSUNMO#?+@ \\-]{0,20}|\\PC{0,20}") {
        drop(Calendar::check(&text));
    }
}
