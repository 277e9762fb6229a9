//! `processors next`: a preview of ticks.

use serde_json::{Value, json};

use super::{array, keys, twice};

#[test]
fn ticks_have_the_offset_of_their_zone_and_those_in_a_gap_are_marked() {
    twice(|bench| {
        let spring = array(bench, &["next", "report", "-n", "3", "--from", "2027-03-27T00:00:00Z"]);
        assert_eq!(
            spring,
            [
                json!({"tick": "2027-03-27T02:30:00+01:00", "moved": false}),
                json!({"tick": "2027-03-28T03:00:00+02:00", "moved": true}),
                json!({"tick": "2027-03-29T02:30:00+02:00", "moved": false}),
            ]
        );
        let autumn = array(bench, &["next", "report", "-n", "2", "--from", "2027-10-30T12:00:00Z"]);
        assert_eq!(
            autumn,
            [
                json!({"tick": "2027-10-31T02:30:00+02:00", "moved": false}),
                json!({"tick": "2027-11-01T02:30:00+01:00", "moved": false}),
            ]
        );
        let text = bench.ok(&["processors", "next", "report", "-n", "2", "--from", "2027-03-27T12:00:00Z"]);
        let rows: Vec<&str> = text.lines().collect();
        assert!(rows[1].starts_with("2027-03-28T03:00:00+02:00  in ") && rows[1].contains("moved: "), "{text}");
        assert!(rows[2].starts_with("2027-03-29T02:30:00+02:00") && !rows[2].contains("moved"), "{text}");
    });
}

#[test]
fn ten_ticks_of_all_that_are_enabled_are_shown_in_order() {
    twice(|bench| {
        let all = array(bench, &["next"]);
        assert_eq!(all.len(), 10);
        let times: Vec<jiff::Timestamp> =
            all.iter().map(|tick| tick["tick"].as_str().expect("text").parse().expect("a time")).collect();
        assert!(times.is_sorted(), "{all:?}");
        for tick in &all {
            assert_eq!(keys(tick), ["moved", "processor", "tick"]);
            assert!(["ocr", "report"].contains(&tick["processor"].as_str().expect("text")), "{tick}");
        }
        assert_eq!(array(bench, &["next", "ocr"]).len(), 10);
        assert_eq!(array(bench, &["next", "backup"]), Vec::<Value>::new(), "it is run from outside");
        bench.ok(&["processors", "disable", "report"]);
        assert!(array(bench, &["next", "-n", "100"]).iter().all(|tick| tick["processor"] == "ocr"));
        assert_eq!(array(bench, &["next", "report", "-n", "1000"]).len(), 1000);
        bench.run(&["processors", "next", "-n", "0"]).expect_code(2);
        bench.run(&["processors", "next", "-n", "1001"]).expect_code(2);
        bench.run(&["processors", "next", "--from", "soon"]).expect_code(2);
    });
}

#[test]
fn the_ticks_of_an_interval_begin_with_the_one_that_is_on_record() {
    let bench = super::bench();
    let _master = bench.start(&[]);
    bench.wait_for("a next tick", super::support::DEADLINE, |bench| {
        !super::processor(bench, "ocr")["next_at"].is_null()
    });
    let instant = |value: &Value| value.as_str().expect("text").parse::<jiff::Timestamp>().expect("a time");
    let ticks = array(&bench, &["next", "ocr", "-n", "2"]);
    let first = instant(&super::processor(&bench, "ocr")["next_at"]);
    assert_eq!(instant(&ticks[0]["tick"]), first);
    assert_eq!(instant(&ticks[1]["tick"]), first + jiff::SignedDuration::from_hours(1));
}
