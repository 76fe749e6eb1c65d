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
    assert_eq!(all[1].csv(), "1970-01-01T02:00:00.000Z,,0,0,1,4,0,0\n");
    assert_eq!(COLUMNS.matches(',').count(), all[1].csv().matches(',').count());
}

#[test]
fn times_that_are_none_are_refused() {
    assert_eq!(hour("to", Some("1970-01-01T05:59:59Z")).unwrap(), Some(Hour(5)));
    assert_eq!(hour("to", Some("1970-01-02 00:00:00")).unwrap(), Some(Hour(24)));
    for wrong in ["", "yesterday", "1969-12-31T00:00:00Z", "2026-13-01T00:00:00Z"] {
        assert_eq!(hour("from", Some(wrong)).unwrap_err().code(), "invalid_request", "{wrong}");
    }
}
