#![allow(clippy::unwrap_used, reason = "a test")]
use super::*;

fn range(text: &str, size: u64) -> Option<Range<u64>> {
    match parse_range(&HeaderValue::from_str(text).unwrap(), size) {
        Asked::Part(range) => Some(range),
        Asked::Whole => Some(0..size),
        Asked::Outside => None,
    }
}

#[test]
fn ranges_of_bytes() {
    assert_eq!(range("bytes=0-0", 10), Some(0..1));
    assert_eq!(range("bytes=3-", 10), Some(3..10));
    assert_eq!(range("bytes=-3", 10), Some(7..10));
    assert_eq!(range("bytes=-30", 10), Some(0..10));
    assert_eq!(range("bytes=5-18446744073709551615", 10), Some(5..10));
}

#[test]
fn ranges_outside_and_ranges_that_are_none() {
    assert_eq!(range("bytes=10-", 10), None);
    assert_eq!(range("bytes=-0", 10), None);
    assert_eq!(range("bytes=-1", 0), None);
    for whole in
        ["bytes=5-2", "bytes=a-b", "items=0-1", "bytes=0-1,3-4", "bytes=", "bytes=+1-2", "bytes=99999999999999999999-"]
    {
        assert_eq!(range(whole, 10), Some(0..10), "{whole}");
    }
}
