use super::{Quota, Quotas, Terms};
use std::collections::BTreeMap;
use warren_kernel::limits::Limits;

#[test]
fn a_tenants_own_number_beats_the_nodes() {
    let node = Quotas { sessions: Some(5), streams: Some(3), ..Quotas::default() };
    let own = Quotas { sessions: Some(0), ..Quotas::default() };
    let both = own.or(node);
    assert_eq!((both.sessions, both.streams, both.inodes), (Some(0), Some(3), None));
}

#[test]
fn each_quota_has_a_name_that_is_its_own() {
    let mut quotas = Quotas::default();
    for (number, quota) in Quota::ALL.iter().enumerate() {
        assert_eq!(quota.as_str().parse(), Ok(*quota));
        assert!(!quota.about().is_empty());
        quotas.set(*quota, Some(number as u64));
    }
    for (number, quota) in Quota::ALL.iter().enumerate() {
        assert_eq!(quotas.get(*quota), Some(number as u64), "{quota}");
    }
    let wrong = "session".parse::<Quota>().unwrap_err().to_string();
    assert!(wrong.contains("`session`") && wrong.contains("sessions_awake"), "{wrong}");
}

#[test]
fn a_limit_above_the_ceiling_is_refused_and_a_default_is_lowered() {
    let limits_max = BTreeMap::from([("processes".to_owned(), 10), ("cpu_ms".to_owned(), 500)]);
    let terms = Terms { limits_max, ..Terms::default() };
    let check = |name: &str, asked| terms.check_limits(std::iter::once((name.to_owned(), asked)));
    assert!(check("processes", 10).is_ok() && check("inodes", u64::MAX).is_ok() && check("cpu_ms", 500).is_ok());
    let high = check("processes", 11).unwrap_err();
    assert_eq!((high.asked, high.most), (11, 10));
    assert!(check("cpu_ms", 0).is_err(), "0 is no limit, which is more than any");
    let mut limits = Limits { locks: 7, ..Limits::default() };
    terms.lower(&mut limits).unwrap();
    assert_eq!((limits.processes, limits.cpu_ms, limits.locks), (10, 500, 7));
    let wrong = Terms { limits_max: BTreeMap::from([("none".to_owned(), 1)]), ..Terms::default() };
    assert!(wrong.lower(&mut limits).is_err());
}
