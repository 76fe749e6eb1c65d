#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]
use super::*;
use proptest::prelude::*;

fn fault<T: std::fmt::Debug>(result: Result<T, BareError>) -> BareFault {
    result.unwrap_err().fault
}

#[test]
fn uint_is_leb128_in_its_shortest_form() {
    let cases: [(&[u8], u64); 6] = [
        (&[0], 0),
        (&[0x7f], 127),
        (&[0x80, 1], 128),
        (&[0xac, 0x02], 300),
        (&[0xff, 0xff, 0xff, 0xff, 0x0f], u64::from(u32::MAX)),
        (&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1], u64::MAX),
    ];
    for (bytes, value) in cases {
        let mut reader = Reader::new(bytes);
        assert_eq!(reader.uint(), Ok(value));
        assert_eq!(reader.finish(), Ok(()));
    }
    let longest = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2];
    assert_eq!(fault(Reader::new(&longest).uint()), BareFault::Uint);
    assert_eq!(fault(Reader::new(&[0xff; 11]).uint()), BareFault::Uint);
    assert_eq!(fault(Reader::new(&[0x80, 0]).uint()), BareFault::Uint);
    assert_eq!(fault(Reader::new(&[0x80]).uint()), BareFault::Truncated { wanted: 1, left: 0 });
}

#[test]
fn lying_lengths_are_refused_before_memory_is_reserved() {
    let huge = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
    assert!(matches!(fault(Reader::new(&huge).str(10)), BareFault::LongText { .. }));
    assert!(matches!(fault(Reader::new(&huge).str(usize::MAX)), BareFault::Truncated { .. }));
    assert!(matches!(fault(Reader::new(&huge).list(10, Reader::u8)), BareFault::LongList { .. }));
    assert!(matches!(fault(Reader::new(&huge).list(usize::MAX, Reader::u8)), BareFault::Truncated { .. }));
    assert!(matches!(fault(Reader::new(&[5, 1, 2]).list(10, Reader::u8)), BareFault::Truncated { .. }));
}

#[test]
fn text_lists_maps_and_options() {
    assert_eq!(Reader::new(b"\x02hi").str(2), Ok("hi"));
    assert!(matches!(fault(Reader::new(b"\x03hi!").str(2)), BareFault::LongText { length: 3, max: 2 }));
    assert_eq!(fault(Reader::new(b"\x01\xff").str(2)), BareFault::Utf8);
    assert_eq!(Reader::new(b"\x02\x05\x06").list(2, Reader::u8), Ok(vec![5, 6]));
    assert_eq!(Reader::new(b"\x00").optional(Reader::u8), Ok(None));
    assert_eq!(Reader::new(b"\x01\x07").optional(Reader::u8), Ok(Some(7)));
    assert_eq!(fault(Reader::new(b"\x02\x07").optional(Reader::u8)), BareFault::Flag { value: 2 });
    assert_eq!(Reader::new(b"\x01\x01k\x01v").text_map(1, 1).unwrap()["k"], "v");
    assert_eq!(fault(Reader::new(b"\x02\x01k\x01v\x01k\x01w").text_map(2, 1)), BareFault::DuplicateKey);
    assert_eq!(Reader::new(&(-2i64).to_le_bytes()).i64(), Ok(-2));
    assert_eq!(Reader::new(b"x").finish().unwrap_err().fault, BareFault::Trailing { left: 1 });
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        let _ = Reader::new(&bytes).uint();
        let _ = Reader::new(&bytes).str(16);
        let _ = Reader::new(&bytes).text_map(16, 16);
        let _ = Reader::new(&bytes).list(16, |item| item.optional(|text| text.string(16)));
    }
}
