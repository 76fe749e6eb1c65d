use super::{Bucket, Direction, Pace};
use std::time::Duration;
use tokio::time::Instant;

#[test]
fn a_bucket_holds_a_second_and_fills_at_its_rate() {
    let begun = Instant::now();
    let at = |ms| begun + Duration::from_millis(ms);
    let mut bucket = Bucket { bytes: 0, filled: None };
    assert_eq!(bucket.take(1000, 5000, at(0)), Ok(1000), "a second's worth comes at once");
    assert_eq!(bucket.take(1000, 5000, at(0)), Err(Duration::from_millis(50)));
    assert_eq!(bucket.take(1000, 5000, at(50)), Ok(50));
    assert_eq!(bucket.take(1000, 1, at(51)), Ok(1), "as little as is wanted");
    assert_eq!(bucket.take(1000, 5000, at(60_000)), Ok(1000), "more is not saved up");
    assert_eq!(bucket.take(2000, 5000, at(61_000)), Ok(2000), "another rate");
}

#[test]
fn the_slowest_rates_get_on() {
    let begun = Instant::now();
    let mut bucket = Bucket { bytes: 0, filled: None };
    assert_eq!(bucket.take(1, 10, begun), Ok(1));
    assert_eq!(bucket.take(1, 10, begun + Duration::from_millis(999)), Err(Duration::from_secs(1)));
    assert_eq!(bucket.take(1, 10, begun + Duration::from_millis(1000)), Ok(1), "time that made no byte yet counts");
    assert!(bucket.take(0, 10, begun + Duration::from_secs(9)).is_err(), "none at all");
}

#[tokio::test(start_paused = true)]
async fn connections_begin_so_fast_and_no_faster() {
    let (pace, begun) = (Pace::default(), Instant::now());
    for _ in 0..100 {
        pace.begin().await;
    }
    assert_eq!(begun.elapsed(), Duration::ZERO, "a second's worth at once");
    for _ in 0..100 {
        pace.begin().await;
    }
    let took = begun.elapsed();
    assert!((900..1200).contains(&took.as_millis()), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_pace_is_kept_each_way_and_may_change_meanwhile() {
    let pace = Pace::default();
    assert_eq!(pace.take(Direction::Sent, 1 << 30).await, 1 << 30, "without a rate there is no limit");
    pace.set_rate(Some(10_000));
    let begun = Instant::now();
    let mut left = 50_000;
    while left > 0 {
        left -= pace.take(Direction::Sent, left).await;
    }
    let took = begun.elapsed();
    assert!((3900..4200).contains(&took.as_millis()), "{took:?}: one second's worth came at once");
    assert_eq!(pace.take(Direction::Received, 10_000).await, 10_000, "the other way has its own");
    pace.set_rate(Some(0));
    let waits = pace.take(Direction::Sent, 5);
    let freed = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        pace.set_rate(None);
    };
    assert_eq!(tokio::join!(waits, freed).0, 5);
}
