use super::*;
use crate::time::Wall;
use proptest::prelude::*;

fn at(millis: u64) -> Now {
    Now { mono: Monotonic(millis), wall: Wall(0) }
}

#[test]
fn it_ends_a_margin_early_and_counts_from_the_sending() {
    let mut lease = Lease::new(Rules::ALL);
    assert!(!lease.holds(at(0)));
    let asked = lease.ask();
    lease.held(asked, at(100), at(900));
    assert!(lease.holds(at(100 + TTL.0 - MARGIN.0 - 1)));
    assert!(!lease.holds(at(100 + TTL.0 - MARGIN.0)));
}

#[test]
fn a_lapse_begins_a_new_term_and_old_answers_do_not_bring_back_the_old_one() {
    let mut lease = Lease::new(Rules::ALL);
    let asked = lease.ask();
    lease.held(asked, at(0), at(1));
    let old = lease.ask();
    assert_eq!(old, Ask::Renew(Term(1)));
    lease.lapsed(old);
    assert_eq!((lease.ask(), lease.term()), (Ask::Grant(Term(2)), None));
    lease.held(old, at(1000), at(1001));
    assert!(!lease.holds(at(1002)));
    assert_eq!(lease.ask(), Ask::Grant(Term(3)), "each try has a number of its own");
    lease.held(Ask::Grant(Term(2)), at(1000), at(1001));
    assert!(!lease.holds(at(1002)), "an answer to a try that was given up");
}

#[test]
fn nobody_is_judged_by_a_redis_that_is_new() {
    let mut watch = Watch::default();
    assert!(!watch.may_judge(Home(1), Monotonic(9000), Rules::ALL));
    assert!(!watch.saw(Home(1), Monotonic(0)), "the first is not another");
    assert!(!watch.may_judge(Home(1), Monotonic(TTL.0), Rules::ALL));
    assert!(watch.may_judge(Home(1), Monotonic(TTL.0 + MARGIN.0), Rules::ALL));
    assert!(watch.saw(Home(2), Monotonic(5000)));
    assert!(!watch.may_judge(Home(1), Monotonic(9000), Rules::ALL));
    assert!(!watch.may_judge(Home(2), Monotonic(8299), Rules::ALL));
}

proptest! {
    /// Whatever the two clocks do within their drift, the holder has stopped before Redis lets the lease end.
    #[test]
    fn the_holder_stops_first(
        mine in 100 - DRIFT_PERCENT..=100 + DRIFT_PERCENT,
        redis in 100 - DRIFT_PERCENT..=100 + DRIFT_PERCENT,
        sent in 0u64..100_000,
        delay in 0u64..5000,
    ) {
        let mut lease = Lease::new(Rules::ALL);
        let mono = |time: u64| Now { mono: Monotonic(time * mine / 100), wall: Wall(0) };
        let asked = lease.ask();
        lease.held(asked, mono(sent), mono(sent + delay));
        // Redis sets it when the request arrives, and counts on its own clock.
        let ends = sent + delay + TTL.0 * 100 / redis;
        prop_assert!(!lease.holds(mono(ends)));
    }
}
