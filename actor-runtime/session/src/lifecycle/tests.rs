use super::*;
use std::time::Duration;

#[test]
fn a_session_is_woken_by_one() {
    let now = Instant::now();
    let mut life = Life::Resting;
    assert!(life.take(Turn::Wake, now));
    assert!(!life.take(Turn::Wake, now), "it is being woken");
    assert!(life.take(Turn::WakeFailed, now));
    assert!(matches!(life, Life::Resting));
}

#[test]
fn one_that_failed_can_be_tried_again_later() {
    let now = Instant::now();
    let mut life = Life::Waking;
    let until = now + Duration::from_secs(60);
    assert!(life.take(Turn::GaveUp("why".to_owned(), until), now));
    assert!(!life.take(Turn::Wake, now));
    let id = crate::id::SessionId::generate(&warren_wasi_posix::system::SystemHost);
    assert!(life.refusal(id, now).is_some());
    assert!(life.take(Turn::Wake, until));
}

#[test]
fn nothing_leads_back_from_the_end() {
    let now = Instant::now();
    let mut life = Life::Deleted;
    for turn in [Turn::Wake, Turn::WakeFailed, Turn::Rested, Turn::Lost, Turn::Returned, Turn::Gone] {
        assert!(!life.take(turn, now));
        assert!(matches!(life, Life::Deleted));
    }
}
