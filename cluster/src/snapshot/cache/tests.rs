//! What is kept, and what goes first.
use super::Lru;

#[test]
fn the_entry_unused_for_longest_goes_first() {
    let mut lru = Lru::new(3);
    for key in 0..3 {
        lru.insert(key, key, 1);
    }
    assert_eq!(lru.get(&0), Some(0));
    lru.insert(3, 3, 1);
    assert_eq!((lru.get(&0), lru.get(&1), lru.get(&3)), (Some(0), None, Some(3)));
}

#[test]
fn an_entry_heavier_than_the_room_is_not_kept_and_pushes_nothing_out() {
    let mut lru = Lru::new(3);
    lru.insert(0, 0, 3);
    lru.insert(1, 1, 4);
    assert_eq!((lru.get(&0), lru.get(&1), lru.len()), (Some(0), None, 1));
    lru.insert(2, 2, 1);
    assert_eq!((lru.get(&0), lru.get(&2), lru.len()), (None, Some(2), 1));
}

#[test]
fn what_is_inserted_again_weighs_once() {
    let mut lru = Lru::new(4);
    for value in 0..100 {
        lru.insert(1, value, 2);
    }
    lru.insert(2, 0, 2);
    assert_eq!((lru.get(&1), lru.get(&2)), (Some(99), Some(0)));
}
