use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Wake;

/// Notes its number when it is woken.
struct Bell(AtomicU32);

impl Wake for Bell {
    fn wake(self: Arc<Bell>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn bell() -> (Arc<Bell>, Waker) {
    let bell = Arc::new(Bell(AtomicU32::new(0)));
    (bell.clone(), Waker::from(bell))
}

fn on(keys: &[u64], until: Option<u64>) -> Wait {
    Wait { keys: keys.iter().copied().map(WaitKey::Pipe).collect(), until: until.map(Monotonic), restarts: true }
}

fn ring(waiters: &mut Waiters) -> usize {
    let woken = waiters.take_woken();
    let count = woken.len();
    woken.into_iter().for_each(Waker::wake);
    count
}

fn nothing_is_kept(waiters: &Waiters) {
    assert!(waiters.is_empty() && waiters.by_key.is_empty() && waiters.by_deadline.is_empty());
}

#[test]
fn any_key_wakes_once_and_forgets_the_others() {
    let mut waiters = Waiters::default();
    let (rung, waker) = bell();
    waiters.park(on(&[1, 2, 2], Some(9)), waker);
    waiters.wake(WaitKey::Pipe(3));
    assert_eq!(ring(&mut waiters), 0);
    waiters.wake(WaitKey::Pipe(2));
    waiters.wake(WaitKey::Pipe(1));
    waiters.advance(Monotonic(10));
    assert_eq!(ring(&mut waiters), 1);
    assert_eq!(rung.0.load(Ordering::SeqCst), 1);
    nothing_is_kept(&waiters);
}

#[test]
fn every_waiter_of_a_key_is_woken_in_the_order_it_came() {
    let mut waiters = Waiters::default();
    let bells: Vec<_> = (0..3).map(|_| bell()).collect();
    for (_, waker) in &bells {
        waiters.park(on(&[7], None), waker.clone());
    }
    waiters.wake(WaitKey::Pipe(7));
    let woken = waiters.take_woken();
    assert!(woken.iter().zip(&bells).all(|(woken, (_, waker))| woken.will_wake(waker)));
    assert_eq!(woken.len(), 3);
}

#[test]
fn who_is_taken_back_is_not_woken() {
    let mut waiters = Waiters::default();
    let id = waiters.park(on(&[1], Some(5)), bell().1);
    waiters.unpark(id);
    waiters.unpark(id);
    nothing_is_kept(&waiters);
    waiters.wake(WaitKey::Pipe(1));
    waiters.advance(Monotonic(99));
    assert_eq!(ring(&mut waiters), 0);
}

#[test]
fn deadlines_pass_in_order_and_not_before() {
    let mut waiters = Waiters::default();
    for until in [30, 10, 20, 10] {
        waiters.park(on(&[], Some(until)), bell().1);
    }
    assert_eq!(waiters.next_deadline(), Some(Monotonic(10)));
    waiters.advance(Monotonic(9));
    assert_eq!(ring(&mut waiters), 0);
    waiters.advance(Monotonic(10));
    assert_eq!((ring(&mut waiters), waiters.next_deadline()), (2, Some(Monotonic(20))));
    waiters.advance(Monotonic(u64::MAX));
    assert_eq!((ring(&mut waiters), waiters.next_deadline()), (2, None));
}

proptest! {
    #[test]
    fn agrees_with_a_list(steps in prop::collection::vec((0..4u8, 0..6u64, 0..6u64), 1..80)) {
        let mut waiters = Waiters::default();
        let mut model: Vec<(WaiterId, BTreeSet<u64>, Option<u64>)> = Vec::new();
        for (what, one, two) in steps {
            let expected = match what {
                0 => {
                    let until = (two > 2).then_some(one * 10 + two);
                    let id = waiters.park(on(&[one, two], until), bell().1);
                    model.push((id, BTreeSet::from([one, two]), until));
                    0
                }
                1 => {
                    waiters.wake(WaitKey::Pipe(one));
                    let before = model.len();
                    model.retain(|(_, keys, _)| !keys.contains(&one));
                    before - model.len()
                }
                2 => {
                    let now = one * 10 + two;
                    waiters.advance(Monotonic(now));
                    let before = model.len();
                    model.retain(|(.., until)| until.is_none_or(|until| until > now));
                    before - model.len()
                }
                _ => {
                    if !model.is_empty() {
                        waiters.unpark(model.remove(one as usize % model.len()).0);
                    }
                    0
                }
            };
            prop_assert_eq!(ring(&mut waiters), expected);
            prop_assert_eq!(waiters.len(), model.len());
            let next = model.iter().filter_map(|(.., until)| *until).min().map(Monotonic);
            prop_assert_eq!(waiters.next_deadline(), next);
        }
        for (id, ..) in model {
            waiters.unpark(id);
        }
        nothing_is_kept(&waiters);
    }
}
