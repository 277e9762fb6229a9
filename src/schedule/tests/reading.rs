//! How expressions and zones are read.

use super::*;

#[test]
fn expressions_are_read_as_users_of_cron_expect() {
    let from = at("2026-01-01T00:00:30Z"); // A Thursday.
    for (expression, next) in [
        ("* * * * *", "2026-01-01T00:01:00Z"),
        ("* * * * * *", "2026-01-01T00:00:31Z"),
        ("*/15 30 9 * * *", "2026-01-01T09:30:00Z"),
        ("@hourly", "2026-01-01T01:00:00Z"),
        ("@daily", "2026-01-02T00:00:00Z"),
        ("@Midnight", "2026-01-02T00:00:00Z"),
        ("@weekly", "2026-01-04T00:00:00Z"),
        ("@monthly", "2026-02-01T00:00:00Z"),
        ("@yearly", "2027-01-01T00:00:00Z"),
        ("@annually", "2027-01-01T00:00:00Z"),
        ("0 9 * * mon-FRI", "2026-01-01T09:00:00Z"),
        ("0 9 * * SAT-SUN", "2026-01-03T09:00:00Z"),
        ("0 9 * * 7", "2026-01-04T09:00:00Z"),
        ("0 9 * * 0", "2026-01-04T09:00:00Z"),
        ("0 0 L * *", "2026-01-31T00:00:00Z"),
        ("0 0 LW * *", "2026-01-30T00:00:00Z"),
        ("0 0 15W * *", "2026-01-15T00:00:00Z"),
        ("0 0 * * FRI#2", "2026-01-09T00:00:00Z"),
        ("0 0 * * 5L", "2026-01-30T00:00:00Z"),
        ("0 0 29 2 *", "2028-02-29T00:00:00Z"),
        // Either of both days; both with a `*` in one of them, as in Vixie cron.
        ("0 0 13 * FRI", "2026-01-02T00:00:00Z"),
        ("0 0 13 * +FRI", "2026-02-13T00:00:00Z"),
        ("0 0 */2 * SUN", "2026-01-11T00:00:00Z"),
        ("0 0 ? * SUN", "2026-01-04T00:00:00Z"),
        ("  0\t0  1  feb  * ", "2026-02-01T00:00:00Z"),
    ] {
        assert_eq!(calendar(expression, "UTC").after(from), Some(at(next)), "{expression}");
    }
}

#[test]
fn what_cannot_be_read_is_refused_with_its_field() {
    for (expression, why) in [
        ("", "it is empty"),
        ("* * * *", "`* * * *` has 4 fields; write five (minute hour day month weekday), or six with the second first"),
        ("0 0 0 1 1 * 2026", "`0 0 0 1 1 * 2026` has 7 fields; write five"),
        ("60 * * * *", "the minute `60` cannot be read; it is 0 to 59, with `*`, `,`, `-` and `*/2`"),
        ("* 24 * * *", "the hour `24` cannot be read"),
        ("* * 32 * *", "the day of the month `32` cannot be read; it is 1 to 31, `L` for the last"),
        ("* * * 13 *", "the month `13` cannot be read; it is 1 to 12, or a name such as `JAN`"),
        ("* * * * 8", "the day of the week `8` cannot be read; it is 0 to 7, or a name such as `SUN`"),
        ("61 * * * * *", "the second `61` cannot be read"),
        ("0 9 * MON *", "the month `MON` cannot be read"),
        ("MON * * * *", "the minute `MON` cannot be read"),
        ("0 9 * * MONDAY", "the day of the week `MONDAY` cannot be read"),
        ("0 9 * * FRI-MON", "the day of the week `FRI-MON` cannot be read"),
        ("1,,2 * * * *", "the minute `1,,2` cannot be read"),
        ("5/15 * * * *", "the minute `5/15` cannot be read"),
        ("*/0 * * * *", "the minute `*/0` cannot be read"),
        ("*/90 * * * *", "the minute `*/90` has a step that is longer than the field"),
        ("0 0 31 2 *", "`0 0 31 2 *` never comes"),
        ("0 0 30 2 *", "`0 0 30 2 *` never comes"),
        ("@reboot", "`@reboot` is no cron expression; for a run when the master starts write `run_at_start = true`"),
        ("@every 5m", "`@every 5m` is no cron expression; for an interval write `every = \"5m\"`"),
        ("@dayly", "`@dayly` is no cron expression; the names are `@yearly`"),
        ("ä * * * *", "the minute `Ä` cannot be read"),
        ("* * * * *\0", "cannot be read"),
    ] {
        let said = Calendar::check(expression).expect_err(expression);
        assert!(said.contains(why), "{expression}: {said}");
    }
}

#[test]
fn several_expressions_are_one_schedule() {
    let zone = Zone::find("UTC").unwrap();
    let schedule = Calendar::new(["0 9 * * MON", "@monthly", "0 0 1 1 *"], zone).unwrap();
    let ticks = between(&schedule, at("2025-12-31T00:00Z"), at("2026-02-02T12:00Z"));
    let shown: Vec<_> = ticks.iter().map(|tick| schedule.zoned(*tick).strftime("%m-%d %H").to_string()).collect();
    assert_eq!(shown, ["01-01 00", "01-05 09", "01-12 09", "01-19 09", "01-26 09", "02-01 00", "02-02 09"]);
}

#[test]
fn a_zone_is_found_by_its_name_and_never_guessed() {
    assert_eq!(Zone::find("Europe/Berlin").unwrap().name, "Europe/Berlin");
    assert_eq!(Zone::find("europe/berlin").unwrap().name, "Europe/Berlin");
    assert_eq!(Zone::find("UTC").unwrap().name, "UTC");
    let refused = |name: &str| Zone::find(name).expect_err(name);
    assert_eq!(refused("Europe/Berln"), "there is no time zone `Europe/Berln`; did you mean `Europe/Berlin`?");
    for name in ["", "Nowhere/Land", "../../etc/passwd", "/etc/localtime", "Etc/Unknown", "+02:00"] {
        assert!(refused(name).starts_with(&format!("there is no time zone `{name}`; ")), "{}", refused(name));
    }
    assert!(Zone::find(LOCAL).is_ok_and(|zone| !zone.name.is_empty()));
}
