#![allow(clippy::unwrap_used, reason = "a test")]
use super::addresses::{Addresses, Network};
use super::rate::{Bucket, Rate};
use super::*;
use std::net::{Ipv4Addr, Ipv6Addr};
use warren_cluster::registry::Scopes;
use warren_session::quota::Terms;

const SECOND: u64 = 1_000_000_000;

#[test]
fn a_bucket_gives_its_burst_at_once_and_then_its_rate() {
    let rate = Rate::new(10, 5).unwrap();
    let mut bucket = Bucket::default();
    let now = 7 * SECOND;
    let left: Vec<u64> = (0..5).map(|_| bucket.take(rate, now).unwrap().0).collect();
    assert_eq!(left, [4, 3, 2, 1, 0]);
    let wait = bucket.take(rate, now).unwrap_err();
    assert_eq!(wait, Duration::from_millis(100));
    assert!(bucket.take(rate, now + 99_000_000).is_err());
    assert!(bucket.take(rate, now + 100_000_000).is_ok());
    assert!(bucket.take(rate, now + 100_000_000).is_err(), "what was refused took nothing, what was given did");
    // Ten seconds later all is there, and no more than that.
    let later = now + 10 * SECOND;
    assert!(bucket.is_full(later));
    assert_eq!((0..100).filter(|_| bucket.take(rate, later).is_ok()).count(), 5);
    assert_eq!(Rate::new(0, 5), None);
    assert_eq!(rate.window(), 1);
    let fast = Rate::new(u64::MAX, u64::MAX).unwrap();
    assert!(Bucket::default().take(fast, u64::MAX / 2).is_ok());
}

#[test]
fn a_network_of_ipv6_is_one_and_mapped_addresses_are_those_of_ipv4() {
    let v6 = |text: &str| Network::from(text.parse::<IpAddr>().unwrap());
    assert_eq!(v6("2001:db8:1:2::1"), v6("2001:db8:1:2:ffff::9"));
    assert_ne!(v6("2001:db8:1:2::1"), v6("2001:db8:1:3::1"));
    assert_eq!(v6("::ffff:10.0.0.1"), v6("10.0.0.1"));
    assert_ne!(v6("10.0.0.1"), v6("10.0.0.2"));
}

#[test]
fn many_addresses_fill_a_table_that_does_not_grow() {
    let (addresses, rate) = (Addresses::default(), Rate::new(1, 1).unwrap());
    let at = |number: u32| IpAddr::V4(Ipv4Addr::from(number));
    let count = 300_000;
    let refused = (0..count).filter(|number| addresses.with(at(*number), 1, |it| it.requests.take(rate, 1)).is_err());
    assert!(refused.count() > 200_000, "those without a place share one bucket of each part");
    assert!(addresses.len() <= 16 * 4096, "{}", addresses.len());
    // Once their buckets are full again they are forgotten, and others find a place.
    let later = 100 * SECOND;
    assert!(addresses.with(at(u32::MAX), later, |it| it.requests.take(rate, later)).is_ok());
    assert!(addresses.len() < 16 * 4096);
    let many = |number: u64| IpAddr::V6(Ipv6Addr::from(u128::from(number) << 64));
    for number in 0..count {
        addresses.with(many(u64::from(number)), later, |it| _ = it.refusals.take(rate, later));
    }
    assert!(addresses.len() <= 16 * 4096, "{}", addresses.len());
}

fn caller(tenant: &str) -> Caller {
    let key = "0".repeat(16).parse().unwrap();
    Caller { tenant: tenant.parse().unwrap(), key, scopes: Scopes::default(), session: None }
}

#[test]
fn a_request_holds_its_place_until_it_is_over() {
    let quotas = Quotas { connections: Some(3), streams: Some(1), body_bytes: Some(100), ..Quotas::default() };
    let admission = Admission::new(&Config::default(), Arc::new(Accounts::new(quotas)));
    let (a, b) = (caller("a"), caller("b"));
    let first = admission.enter(&a, true).unwrap();
    assert_eq!(admission.enter(&a, true).err().unwrap().code(), "quota_exceeded");
    let (second, third) = (admission.enter(&a, false).unwrap(), admission.enter(&a, false).unwrap());
    assert_eq!(admission.enter(&a, false).err().unwrap().code(), "quota_exceeded");
    assert!(admission.enter(&b, true).is_ok(), "another tenant has places of its own");
    second.read(60).unwrap();
    third.read(40).unwrap();
    assert_eq!(third.read(1).unwrap_err().code(), "quota_exceeded");
    assert_eq!(under_way(&admission, &a.tenant), (3, 1, 100));
    drop((first, second, third));
    assert_eq!(under_way(&admission, &a.tenant), (0, 0, 0));
}

#[test]
fn a_tenants_rate_is_what_its_operator_says_now() {
    let accounts = Arc::new(Accounts::new(Quotas::default()));
    let admission = Admission::new(&Config::default(), accounts.clone());
    let a = caller("a");
    assert!((0..1000).all(|_| admission.enter(&a, false).is_ok()));
    let quotas = Quotas { requests_per_s: Some(1), requests_burst: Some(3), ..Quotas::default() };
    accounts.set_terms(&a.tenant, Terms { revision: 1, quotas, ..Terms::default() });
    let mut headers = HeaderMap::new();
    admission.enter(&a, false).unwrap().say(&mut headers);
    assert_eq!(headers["ratelimit-policy"], "\"tenant\";q=3;w=3");
    assert_eq!(headers["ratelimit"], "\"tenant\";r=2;t=1");
    assert_eq!((0..10).filter(|_| admission.enter(&a, false).is_ok()).count(), 2);
    let problem = admission.enter(&a, false).err().unwrap();
    assert_eq!(problem.code(), "rate_limited");
    accounts.set_terms(&a.tenant, Terms { revision: 2, ..Terms::default() });
    assert!((0..1000).all(|_| admission.enter(&a, false).is_ok()));
}

#[test]
fn keys_that_are_not_valid_count_against_the_address_that_shows_them() {
    let mut config = Config::default();
    config.server.refusals_per_address = 1;
    let admission = Admission::new(&config, Arc::new(Accounts::new(Quotas::default())));
    let (one, other) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
    assert_eq!(admission.is_refused(one), None);
    (0..10).for_each(|_| admission.refused(one));
    assert!(admission.is_refused(one).is_some());
    assert_eq!(admission.is_refused(other), None);
    assert!(admission.address(one).is_ok(), "no rate is set");
}

fn under_way(admission: &Admission, tenant: &TenantId) -> (u64, u64, u64) {
    let of = |quota| admission.under_way(tenant, quota).unwrap();
    (of(Quota::Connections), of(Quota::Streams), of(Quota::BodyBytes))
}
