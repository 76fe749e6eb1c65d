#![allow(clippy::unwrap_used, reason = "a test")]
use super::*;

#[test]
fn rows_are_added_up_by_hour_or_by_session() {
    let session = SessionId::generate(&warren_wasi_posix::system::SystemHost);
    let amounts = |requests| Amounts { requests, stored_byte_s: 3600 << 30, ..Amounts::default() };
    let row = |hour, session, requests| Row { hour: Hour(hour), session, amounts: amounts(requests) };
    let rows = [row(1, None, 1), row(1, Some(session), 2), row(2, Some(session), 4)];
    let sums = |by| added_up(&rows, by).iter().map(|row| row.requests).collect::<Vec<_>>();
    assert_eq!((sums(SumBy::Hour), sums(SumBy::Session)), (vec![3, 4], vec![1, 6]));
    let all = added_up(&rows, SumBy::Hour);
    assert_eq!((all[0].stored_gib_h, all[0].hour.unwrap().to_string().as_str()), (2.0, "1970-01-01T01:00:00.000Z"));
    assert_eq!(all[1].csv(), "1970-01-01T02:00:00.000Z,,0,0,1,4,0,0,0\n");
    assert_eq!(COLUMNS.matches(',').count(), all[1].csv().matches(',').count());
}

#[test]
fn times_that_are_none_are_refused() {
    assert_eq!(hour("to", Some("1970-01-01T05:59:59Z")).unwrap(), Some(Hour(5)));
    assert_eq!(hour("to", None).unwrap(), None);
    for wrong in [
        "",
        "yesterday",
        "1969-12-31T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "9999-12-31T00:00:00Z",
        // No offset, or none that is one: which time that is nobody can say.
        "1970-01-02T00:00:00",
        "1970-01-02 00:00:00Z",
        "1970-01-02T00:00:00 01:00",
        "1970-01-02T00:00:00+0100",
        "1970-01-02T00:00:00+1:00",
        "1970-01-02T00:00:00++1:00",
        "1970-01-02T00:00:00+24:00",
        "1970-01-02T00:00:00+01:60",
        "1970-01-02T00:00:00+00:00Z",
        "1970-01-02T00:00:00.Z",
        "1970-01-02T00:00:00.5x+01:00",
        "1970-01-01T00:59:59+01:00",
        "1970-01-02T00:00:00\u{e9}\u{e9}:00",
        "+01:00",
    ] {
        assert_eq!(hour("from", Some(wrong)).unwrap_err().code(), "invalid_request", "{wrong}");
    }
}

#[test]
fn times_may_have_an_offset() {
    for (text, number) in [
        ("1970-01-02T00:00:00Z", 24),
        ("1970-01-02t00:59:59.999999999999z", 24),
        ("1970-01-02T00:00:00+00:00", 24),
        ("1970-01-02T00:00:00-00:00", 24),
        ("1970-01-02T02:00:00+02:00", 24),
        ("1970-01-02T05:29:59.5+05:30", 23),
        ("1970-01-01T23:30:00-00:30", 24),
        ("1970-01-02T23:59:00+23:59", 24),
        ("1970-01-01T01:00:00+01:00", 0),
    ] {
        assert_eq!(hour("from", Some(text)).unwrap(), Some(Hour(number)), "{text}");
    }
}
