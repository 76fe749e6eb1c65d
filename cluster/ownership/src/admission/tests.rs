use super::*;
use proptest::prelude::*;

#[test]
fn one_tenants_thousand_do_not_stand_before_anothers_one() {
    let mut admission = Admission::new(2, 2000, Rules::ALL);
    for number in 0..1000 {
        admission.ask(TenantId(1), SessionId(number)).unwrap();
    }
    assert_eq!(admission.ask(TenantId(2), SessionId(5000)), Ok(false));
    let first = admission.done(SessionId(0));
    let second = admission.done(SessionId(1));
    assert!(first.contains(&SessionId(5000)) || second.contains(&SessionId(5000)), "{first:?} {second:?}");
}

#[test]
fn the_queue_has_an_end() {
    let mut admission = Admission::new(1, 2, Rules::ALL);
    assert_eq!(admission.ask(TenantId(1), SessionId(1)), Ok(true));
    assert_eq!(admission.ask(TenantId(1), SessionId(2)), Ok(false));
    assert_eq!(admission.ask(TenantId(1), SessionId(3)), Ok(false));
    assert_eq!(admission.ask(TenantId(1), SessionId(4)), Err(Full));
    assert_eq!(admission.ask(TenantId(1), SessionId(1)), Ok(true), "it is being restored");
}

proptest! {
    /// Never more than the limit, nobody is forgotten, and no tenant goes twice while another waits.
    #[test]
    fn turns(limit in 1usize..4, asks in proptest::collection::vec((0u32..4, 0u128..40), 1..80)) {
        let mut admission = Admission::new(limit, 1000, Rules::ALL);
        let mut left: BTreeMap<SessionId, TenantId> = BTreeMap::new();
        for (tenant, session) in asks {
            let (tenant, session) = (TenantId(tenant), SessionId(session * 4 + u128::from(tenant)));
            admission.ask(tenant, session).unwrap();
            left.insert(session, tenant);
            prop_assert!(admission.running().len() <= limit);
        }
        let mut last: Option<TenantId> = None;
        while let Some(session) = admission.running().iter().next().copied() {
            left.remove(&session);
            for next in admission.done(session) {
                let tenant = left[&next];
                let others_wait = admission.waiting().keys().any(|other| *other != tenant);
                prop_assert!(!(others_wait && last == Some(tenant)), "tenant {tenant:?} twice");
                last = Some(tenant);
            }
            prop_assert!(admission.running().len() <= limit);
        }
        prop_assert!(left.is_empty(), "forgotten: {left:?}");
    }
}
