use super::*;
use crate::event::What;
use crate::position::Epoch;
use warren_kernel::host::Timestamp;

fn at(epoch: u64, seq: u64) -> Position {
    Position { epoch: Epoch::new(epoch).unwrap(), seq }
}

fn event(seq: u64, bytes: usize) -> Event {
    let what = What::Audit { verb: String::new(), subject: "x".repeat(bytes) };
    Event { position: at(2, seq), time: Timestamp(0), what }
}

fn seqs(look: Look) -> Vec<u64> {
    match look {
        Look::Events(events) => events.iter().map(|event| event.position.seq).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_cursor_finds_what_is_behind_it() {
    let log = Log::default();
    assert!(matches!(log.look(Position::START), Look::Unknown));
    log.begin(at(1, 6));
    assert!(matches!(log.look(at(1, 6)), Look::Head));
    log.publish((7..10).map(|seq| event(seq, 0)));
    assert_eq!(seqs(log.look(at(1, 6))), [7, 8, 9]);
    assert_eq!(seqs(log.look(at(2, 7))), [8, 9]);
    assert!(matches!(log.look(at(2, 9)), Look::Head));
    assert!(matches!(log.look(at(1, 5)), Look::Older(head) if head == at(2, 9)));
    assert!(matches!(log.look(at(2, 10)), Look::Beyond(head) if head == at(2, 9)));
    // What an owner before lost was numbered beyond where this one began.
    assert_eq!(seqs(log.look(at(1, 8))), [7, 8, 9]);
    log.end();
    assert!(matches!(log.look(at(2, 9)), Look::Over));
}

#[test]
fn memory_is_bounded_by_number_and_by_bytes() {
    let log = Log::default();
    log.begin(at(1, 0));
    log.publish((1..=EVENTS_MAX as u64 + 10).map(|seq| event(seq, 0)));
    let (events, complete) = log.since(Position::START);
    assert!(events.len() == EVENTS_MAX && !complete && events[0].position.seq == 11);
    assert!(matches!(log.look(at(2, 9)), Look::Older(_)));
    log.begin(at(1, 0));
    log.publish((1..=100).map(|seq| event(seq, EVENT_BYTES_MAX / 10)));
    assert!(log.since(Position::START).0.len() <= 10);
    log.shrink();
    assert!(log.since(Position::START).0.is_empty());
    assert!(matches!(log.look(at(2, 100)), Look::Head));
    assert!(matches!(log.look(at(2, 99)), Look::Older(_)));
}
