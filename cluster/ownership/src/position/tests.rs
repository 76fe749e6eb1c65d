use super::*;

fn epoch(number: u64) -> Epoch {
    (1..number).fold(Epoch::FIRST, |epoch, _| epoch.next())
}

fn at(number: u64, seq: u64) -> Position {
    Position { epoch: epoch(number), seq }
}

#[test]
fn events_belong_to_the_last_epoch_that_began_before_them() {
    let lineage = Lineage::first().with(epoch(2), 5).with(epoch(3), 5).with(epoch(4), 9);
    assert_eq!(lineage.position(5), Some(at(1, 5)));
    assert_eq!(lineage.position(6), Some(at(3, 6)), "epoch 2 wrote nothing");
    assert_eq!(lineage.position(10), Some(at(4, 10)));
}

#[test]
fn a_cursor_goes_on_where_its_epoch_was_kept() {
    let lineage = Lineage::first().with(epoch(2), 5);
    assert_eq!(lineage.resume(Position::START, 7), Resume::After(0));
    assert_eq!(lineage.resume(at(1, 5), 7), Resume::After(5));
    assert_eq!(lineage.resume(at(2, 7), 7), Resume::After(7));
}

#[test]
fn a_cursor_beyond_what_was_kept_is_told_so() {
    let lineage = Lineage::first().with(epoch(3), 5);
    assert_eq!(lineage.resume(at(1, 6), 9), Resume::Resync { kept: 5, had: 6 });
    assert_eq!(lineage.resume(at(2, 6), 9), Resume::Resync { kept: 5, had: 6 }, "an epoch nothing was kept of");
    assert_eq!(lineage.resume(at(3, 10), 9), Resume::Resync { kept: 9, had: 10 });
    assert_eq!(lineage.resume(at(4, 1), 9), Resume::Newer);
}

#[test]
fn old_epochs_are_forgotten_and_their_cursors_told() {
    let mut lineage = Lineage::first();
    for number in 2..200 {
        lineage = lineage.with(epoch(number), number);
    }
    assert_eq!(lineage.spans().len(), SPANS_MAX);
    assert_eq!(lineage.position(3), None);
    assert!(matches!(lineage.resume(at(2, 2), 500), Resume::Resync { kept: 2, had: 2 }));
}
