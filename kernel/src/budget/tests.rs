use super::{Budget, Share};
use std::sync::Arc;

#[test]
fn several_shares_hold_no_more_than_the_budget() {
    let budget = Arc::new(Budget::new(100));
    let (mut a, mut b) = (Share::of(budget.clone(), 0), Share::of(budget.clone(), 0));
    assert!(a.take(60) && b.take(40));
    assert!(!a.take(1) && !b.take(1) && budget.used() == 100);
    a.give(10);
    assert!(b.take(10) && !a.take(1));
    drop(b);
    assert_eq!(budget.used(), 50);
    assert!(!a.take(u64::MAX), "no sum passes the end");
    drop(a);
    assert_eq!(budget.used(), 0);
}

#[test]
fn what_is_forfeited_stays_with_the_budget_until_it_is_recovered() {
    let budget = Arc::new(Budget::new(100));
    let mut gone = Share::of(budget.clone(), 60);
    gone.forfeit(40);
    drop(gone);
    assert_eq!(budget.used(), 40, "a session that is gone leaves it");
    let mut other = Share::of(budget.clone(), 0);
    assert!(!other.take(61) && other.take(60));
    other.forfeit(1000);
    drop(other);
    assert_eq!(budget.used(), 100, "no more than it held");
    let mut last = Share::of(budget.clone(), 0);
    last.recover(100);
    last.give(100);
    assert_eq!(budget.used(), 0);
}

#[test]
fn a_budget_that_shrinks_takes_nothing_away_and_gives_nothing_more() {
    let budget = Arc::new(Budget::default());
    let mut share = Share::of(budget.clone(), 7);
    assert!(share.take(93));
    budget.set_most(50);
    assert!(!share.take(1) && share.take(0) == (budget.used() <= 50));
    share.give(60);
    assert!(share.take(10) && !share.take(1));
    share.give(1000);
    assert_eq!(budget.used(), 0, "no more is given back than was held");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "kernels of several sessions run on threads of their drivers")]
fn threads_together_take_exactly_what_there_is() {
    let budget = Arc::new(Budget::new(1000));
    let taken: usize = std::thread::scope(|scope| {
        let take = || {
            let mut share = Share::of(budget.clone(), 0);
            let taken = (0..400).filter(|_| share.take(1)).count();
            std::mem::forget(share);
            taken
        };
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(take)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!((taken, budget.used()), (1000, 1000));
}
