use super::*;
use serde::Deserialize;

const KIND: Kind = Kind { magic: *b"TEST", version: 2, name: "test object", bytes_max: 64 };

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct One {
    number: u64,
    #[serde(default)]
    later: Option<String>,
}

#[derive(Serialize)]
struct Before {
    number: u64,
}

#[test]
fn a_value_comes_back_and_an_older_one_too() {
    let one = One { number: 7, later: Some("x".into()) };
    assert_eq!(KIND.decode::<One>(&KIND.encode(&one)), Ok(one));
    let old = Kind { version: 1, ..KIND }.encode(&Before { number: 9 });
    assert_eq!(KIND.decode::<One>(&old), Ok(One { number: 9, later: None }));
}

#[test]
fn any_changed_byte_is_noticed() {
    let bytes = KIND.encode(&One { number: 7, later: None });
    for at in 0..bytes.len() {
        let mut bad = bytes.clone();
        bad[at] ^= 1;
        // Version 3 is newer, version 0 is none; everything else is caught by magic or checksum.
        assert!(KIND.decode::<One>(&bad).is_err(), "byte {at}");
        assert!(KIND.decode::<One>(&bytes[..at]).is_err(), "cut at {at}");
    }
}

#[test]
fn what_is_too_long_or_too_new_says_so() {
    let long = KIND.encode(&One { number: 7, later: Some("x".repeat(64)) });
    assert!(matches!(KIND.decode::<One>(&long), Err(EnvelopeError::TooLong { most: 64, .. })));
    let new = Kind { version: 3, ..KIND }.encode(&One { number: 7, later: None });
    let refused = KIND.decode::<One>(&new).unwrap_err();
    assert_eq!(refused.to_string(), "a test object of version 3; this Warren reads up to 2");
}
