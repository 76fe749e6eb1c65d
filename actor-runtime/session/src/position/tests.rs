use super::*;

#[test]
fn a_position_is_text_and_back_and_sorts_by_epoch_first() {
    let position = |epoch, seq| Position { epoch: Epoch::new(epoch).unwrap(), seq };
    assert_eq!("3.42".parse(), Ok(position(3, 42)));
    assert_eq!(position(3, 42).to_string(), "3.42");
    assert!(position(1, 99) < position(2, 1) && position(2, 1) < position(2, 2));
    let last = position(u64::MAX, Position::SEQ_MAX);
    assert_eq!(last.to_string().parse(), Ok(last));
    assert_eq!(last.epoch.next(), last.epoch, "the last epoch has no next one");
}

#[test]
fn what_is_no_position_is_refused() {
    for text in ["", ".", "1", "1.", ".1", "0.1", "1.1.1", "-1.1", "+1.1", "1.x", "18446744073709551616.1", " 1.1"] {
        assert!(text.parse::<Position>().is_err(), "{text}");
    }
    // Numbers behind which none could follow.
    for text in ["1.9223372036854775808", "1.18446744073709551615"] {
        assert!(text.parse::<Position>().is_err(), "{text}");
    }
}
