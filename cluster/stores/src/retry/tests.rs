use super::{Budget, Limits, Over, Tries};
use std::time::Duration;

fn short(deadline: u64) -> Limits {
    Limits { deadline: Duration::from_millis(deadline), ..Limits::default() }
}

#[tokio::test]
async fn a_call_ends_at_its_deadline() {
    let budget = Budget::default();
    let mut tries = Tries::new(&budget, short(120));
    let mut paused = 0;
    let over = loop {
        match tries.pause(false).await {
            Ok(()) => paused += 1,
            Err(over) => break over,
        }
    };
    assert_eq!(over, Over::Deadline);
    assert!((1..4).contains(&paused), "{paused}");
    assert!(tries.attempt() < Duration::from_millis(120), "a try ends with its call");
}

#[tokio::test]
async fn who_only_fails_stops_asking_and_successes_pay_for_more() {
    let budget = Budget::default();
    let ask = async || Tries::new(&budget, Limits::default()).pause(true).await;
    let mut asked = 0;
    while ask().await.is_ok() {
        asked += 1;
    }
    assert_eq!((asked, ask().await), (50, Err(Over::Budget)));
    for _ in 0..10 {
        Tries::new(&budget, Limits::default()).succeeded();
    }
    assert_eq!((ask().await, ask().await), (Ok(()), Err(Over::Budget)));
    (0..10_000).for_each(|_| Tries::new(&budget, Limits::default()).succeeded());
    let mut tries = Tries::new(&budget, short(0));
    assert_eq!(tries.pause(false).await, Err(Over::Deadline));
}

#[test]
fn large_things_have_longer() {
    let limits = Limits::default().with_bytes(8 << 20);
    assert_eq!((limits.attempt, limits.deadline), (Duration::from_secs(9), Duration::from_secs(23)));
    let never = Limits { bytes_per_s: 0, ..Limits::default() }.with_bytes(1);
    assert_eq!(never.attempt, Duration::from_secs(6));
}
