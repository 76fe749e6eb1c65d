use super::*;

fn denied(subject: &str) -> What {
    What::Denied { domain: Domain::Read, subject: subject.to_owned() }
}

#[test]
fn a_late_reader_learns_what_it_missed() {
    let mut events = Events::default();
    for at in 0..EVENTS_MAX + 10 {
        events.push(Timestamp(at as i64), Pid(2), denied(&at.to_string()));
    }
    let (missed, rest) = events.since(0);
    assert_eq!((missed, rest.count()), (10, EVENTS_MAX));
    let (missed, mut rest) = events.since(events.next() - 1);
    assert_eq!((missed, rest.next().map(|event| event.time)), (0, Some(Timestamp(EVENTS_MAX as i64 + 9))));
    let (missed, rest) = events.since(u64::MAX);
    assert_eq!((missed, rest.count()), (0, 0));
}

#[test]
fn a_repeat_is_not_told_again_until_something_else_was() {
    let mut events = Events::default();
    for (pid, subject) in [(2, "a"), (2, "a"), (3, "a"), (2, "a"), (2, "b"), (2, "a")] {
        events.push(Timestamp(0), Pid(pid), denied(subject));
    }
    assert_eq!(events.next(), 5);
}
