use super::*;

#[test]
fn options_are_known_by_both_of_their_numbers() {
    assert_eq!(named(1, 2), Some(Named::ReuseAddress));
    assert_eq!(named(0x7fff_ffff, 66), Some(Named::ReceiveTimeout));
    assert_eq!(named(1, 20), Some(Named::ReceiveTimeout));
    assert_eq!(named(6, 1), Some(Named::NoDelay));
    assert_eq!(named(41, 67), Some(Named::Service));
    assert_eq!(named(1, 1), None);
    assert_eq!(named(6, 2), None);
}
