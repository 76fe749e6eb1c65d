use super::{ADDRESSES_MAX, NAMES_MAX, NAMES_OF_ONE_MAX, Pins};
use std::net::IpAddr;

fn at(last: u16) -> IpAddr {
    IpAddr::from([10, 0, (last >> 8) as u8, last as u8])
}

fn names(pins: &Pins, address: IpAddr) -> Vec<String> {
    pins.names_of(address).iter().map(ToString::to_string).collect()
}

#[test]
fn an_address_has_the_names_it_was_found_by_newest_first() {
    let mut pins = Pins::default();
    pins.note("a", &[at(1), at(2)]);
    pins.note("b", &[at(2)]);
    assert_eq!(names(&pins, at(2)), ["b", "a"]);
    pins.note("a", &[at(3)]);
    assert_eq!(names(&pins, at(2)), ["a", "b"], "what a name stood for before stays");
    assert_eq!(names(&pins, at(3)), ["a"]);
    assert!(names(&pins, at(9)).is_empty());
}

#[test]
fn what_is_remembered_is_bounded() {
    let mut pins = Pins::default();
    for number in 0..=NAMES_MAX {
        pins.note(&format!("n{number}"), &[at(1)]);
    }
    assert_eq!(pins.names.len(), NAMES_MAX);
    assert_eq!(&*pins.names[0].name, "n1", "the oldest goes");
    assert_eq!(names(&pins, at(1)).len(), NAMES_OF_ONE_MAX);
    for last in 0..=ADDRESSES_MAX as u16 {
        pins.note("n9", &[at(last)]);
    }
    let pin = pins.names.back().expect("it is the newest");
    assert_eq!((pin.addresses.len(), pin.addresses[0]), (ADDRESSES_MAX, at(ADDRESSES_MAX as u16)));
    assert!(!pin.addresses.contains(&at(0)));
}
