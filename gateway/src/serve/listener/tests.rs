#![allow(clippy::unwrap_used, reason = "a test")]
use super::Shares;

#[test]
fn an_address_has_its_share_and_leaves_nothing_behind() {
    let shares = Shares::default();
    let (one, other) = ("10.0.0.1".parse().unwrap(), "2001:db8::1".parse().unwrap());
    let held: Vec<_> = (0..5).filter_map(|_| shares.take(one, 3)).collect();
    assert_eq!(held.len(), 3);
    let others = shares.take(other, 3).unwrap();
    assert!(shares.take("2001:db8::2".parse().unwrap(), 1).is_none(), "the same network");
    drop(held);
    assert!(shares.take(one, 3).is_some());
    drop(others);
    assert!(shares.counts().is_empty());
}
