//! Tables and round trips for durations and sizes.

use proptest::prelude::*;

use super::*;

#[test]
fn durations_are_read_in_every_unit_and_combination() {
    let table = [
        ("500ms", 500),
        ("30s", 30_000),
        ("5m", 300_000),
        ("2h", 7_200_000),
        ("2d", 172_800_000),
        ("1w", 604_800_000),
        ("1h 30m", 5_400_000),
        ("1h30m", 5_400_000),
        ("1 h  30 m", 5_400_000),
        (" 1d 2h 3m 4s 5ms ", 93_784_005),
        ("1.5h", 5_400_000),
        ("0.5s", 500),
        ("0s", 0),
        ("36500d", 3_153_600_000_000),
    ];
    for (text, ms) in table {
        assert_eq!(duration(text), Ok(Duration::from_millis(ms)), "{text}");
    }
}

#[test]
fn durations_that_are_not_clear_are_refused_with_the_reason() {
    let table = [
        ("10", "`10` has no unit; write `10s`, `5m` or `2h`"),
        ("0", "`0` has no unit; write `10s`, `5m` or `2h`"),
        ("1.5", "`1.5` has no unit; write `10s`, `5m` or `2h`"),
        ("1h 30", "`1h 30` is not a duration; write `10s`, `5m` or `2h`"),
        ("-5s", "`-5s` is negative; write `10s`, `5m` or `2h`"),
        ("", "a duration must not be empty; write `10s`, `5m` or `2h`"),
        ("  ", "a duration must not be empty; write `10s`, `5m` or `2h`"),
        ("5 minutes", "`5 minutes` has the unknown unit `minutes`; use `ms`, `s`, `m`, `h`, `d` or `w`"),
        ("5M", "`5M` has the unknown unit `M`; use `ms`, `s`, `m`, `h`, `d` or `w`"),
        ("30m 1h", "`30m 1h` is out of order; write the larger unit first and each unit once"),
        ("1h 1h", "`1h 1h` is out of order; write the larger unit first and each unit once"),
        ("36501d", "`36501d` is too long; the most is 36500d"),
        ("99999999999999999999999w", "`99999999999999999999999w` is too long; the most is 36500d"),
    ];
    for (text, message) in table {
        assert_eq!(duration(text), Err(message.to_owned()));
    }
    for text in ["soon", "s", "1e3s", "inf", "NaN", "1.s", ".5s", "1.2.3s", "+5s", "1h-5m", "1h, 5m", "５s", "1s\0"] {
        assert!(duration(text).is_err(), "{text:?}");
    }
}

#[test]
fn sizes_are_1024_based_in_every_spelling() {
    let table = [
        ("1048576", 1 << 20),
        ("0", 0),
        ("1K", 1 << 10),
        ("128M", 128 << 20),
        ("128MB", 128 << 20),
        ("128MiB", 128 << 20),
        ("128 mib", 128 << 20),
        ("512k", 512 << 10),
        ("1.5G", 3 << 29),
        ("2T", 2 << 40),
        ("10B", 10),
        ("0.5K", 512),
    ];
    for (text, expected) in table {
        assert_eq!(bytes(text), Ok(expected), "{text}");
    }
}

#[test]
fn sizes_that_are_not_clear_are_refused_with_the_reason() {
    let table = [
        ("", "`` is not a size; write `512K`, `128M` or `2G`"),
        ("lots", "`lots` is not a size; write `512K`, `128M` or `2G`"),
        ("10X", "`10X` is not a size; write `512K`, `128M` or `2G`"),
        ("10Mi B", "`10Mi B` is not a size; write `512K`, `128M` or `2G`"),
        ("-1M", "`-1M` is negative; write `512K`, `128M` or `2G`"),
        ("1.5", "`1.5` is not a whole number of bytes; write `512K`, `128M` or `2G`"),
        ("99999999T", "`99999999T` is too large"),
        ("18446744073709551616K", "`18446744073709551616K` is too large"),
    ];
    for (text, message) in table {
        assert_eq!(bytes(text), Err(message.to_owned()));
    }
}

#[test]
fn a_plus_makes_a_memory_limit_one_of_growth() {
    assert_eq!(memory_limit("+128M"), Ok(MemoryLimit::Growth(128 << 20)));
    assert_eq!(memory_limit("256M"), Ok(MemoryLimit::Absolute(256 << 20)));
    assert!(memory_limit("+").is_err());
    assert!(memory_limit("++1M").is_err());
    assert!(memory_limit("-1M").is_err());
    assert_eq!(show_memory_limit(MemoryLimit::Growth(128 << 20)), "+128M");
    assert_eq!(show_memory_limit(MemoryLimit::Absolute(3 << 29)), "1.5G");
}

#[test]
fn what_is_shown_is_short() {
    let table = [
        (0, "0s"),
        (500, "500ms"),
        (30_000, "30s"),
        (90_000, "1m 30s"),
        (5_400_000, "1h 30m"),
        (86_400_000, "1d"),
        (604_800_000, "7d"),
        (3_600_001, "1h 1ms"),
    ];
    for (ms, text) in table {
        assert_eq!(show_duration(Duration::from_millis(ms)), text);
    }
    assert_eq!(show_duration(Duration::from_micros(1_500)), "1.5ms");
    assert_eq!(show_duration(Duration::from_nanos(1)), "0.000001ms");
    let sizes = [(0, "0B"), (1023, "1023B"), (1024, "1K"), (128 << 20, "128M"), (3 << 29, "1.5G"), (1_048_575, "1M")];
    for (bytes, text) in sizes {
        assert_eq!(show_bytes(bytes), text);
    }
    assert_eq!(show_bytes(u64::MAX), "16777216T");
}

proptest! {
    #[test]
    fn a_duration_that_is_shown_is_read_back_exactly(secs in 0_u64..36_500 * 86_400, nanos in 0_u32..1_000_000_000) {
        let d = Duration::new(secs, nanos);
        prop_assert_eq!(duration(&show_duration(d)), Ok(d));
        let whole = Duration::from_secs(secs);
        prop_assert_eq!(duration(&show_duration(whole)), Ok(whole));
    }

    #[test]
    fn a_size_that_is_shown_is_read_back_within_its_rounding(size in 0_u64..1 << 50) {
        let back = bytes(&show_bytes(size)).unwrap();
        prop_assert!(back.abs_diff(size) <= size / 18 + 1, "{} became {}", size, back);
        prop_assert_eq!(bytes(&size.to_string()), Ok(size));
    }

    #[test]
    fn no_text_makes_the_readers_panic(text in "\\PC*") {
        let _ = duration(&text);
        let _ = bytes(&text);
        let _ = memory_limit(&text);
    }
}
