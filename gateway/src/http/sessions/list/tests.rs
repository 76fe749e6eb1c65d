use super::*;

#[test]
fn times_are_compared_as_they_are_shown() {
    let shown = |made: i64| made - made % MILLISECOND;
    let times = [0, 1, 999_999, 1_000_000, 1_000_001, 1_999_999, 2_000_000, 3_500_000];
    for made in times {
        for asked in times {
            assert_eq!(Timestamp(made) > after(Timestamp(asked)), shown(made) > asked, "{made} after {asked}");
            assert_eq!(Timestamp(made) < before(Timestamp(asked)), shown(made) < asked, "{made} before {asked}");
        }
    }
    for last in [after(Timestamp(i64::MAX)), before(Timestamp(i64::MAX))] {
        assert_eq!(last, Timestamp(i64::MAX));
    }
}

#[test]
fn what_is_no_time_is_refused() {
    assert_eq!(time("1970-01-01T00:00:01.5Z"), Ok(Timestamp(1_500_000_000)));
    assert_eq!(time("1970-01-01T01:00:01.0123456789+01:00"), Ok(Timestamp(1_012_345_678)));
    assert_eq!(time("9999-12-31T23:59:59Z"), Ok(Timestamp(i64::MAX)));
    for wrong in ["", "yesterday", "1969-12-31T23:59:59Z", "1970-01-01T00:00:01.Z"] {
        assert!(time(wrong).is_err(), "{wrong}");
    }
}
