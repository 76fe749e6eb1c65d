use super::{Accounts, Stored};
use crate::id::{SessionId, TenantId};
use crate::quota::{Quota, Quotas, Terms};
use std::sync::Arc;
use std::time::Duration;
use warren_wasi_posix::system::SystemHost;

fn accounts(quotas: Quotas) -> Accounts {
    Accounts::new(quotas)
}

fn own() -> TenantId {
    TenantId::embedded()
}

fn ids(count: usize) -> Vec<SessionId> {
    let mut ids: Vec<SessionId> = (0..count).map(|_| SessionId::generate(&SystemHost)).collect();
    ids.sort();
    ids
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_time().build().unwrap().block_on(future)
}

#[test]
fn of_many_who_want_the_last_places_exactly_so_many_get_them() {
    let accounts = accounts(Quotas { sessions: Some(5), sessions_awake: Some(3), ..Quotas::default() });
    let account = accounts.of(&own());
    accounts.recount(&own()).end();
    run(async {
        let all = (0..50).map(|_| {
            let account = account.clone();
            tokio::spawn(async move { (account.take_session().await, account.take_awake()) })
        });
        let all = futures_util::future::join_all(all).await;
        let (places, awake): (Vec<_>, Vec<_>) = all.into_iter().map(Result::unwrap).unzip();
        assert_eq!(places.iter().filter(|place| place.is_ok()).count(), 5);
        assert_eq!(awake.iter().filter(|place| place.is_ok()).count(), 3);
        let refused = places.iter().find_map(|place| place.as_ref().err()).unwrap();
        assert_eq!((refused.quota, refused.limit, refused.used), (Quota::Sessions, 5, 5));
        // One is made, the others were not.
        let mut places = places.into_iter().flatten();
        let id = SessionId::generate(&SystemHost);
        let mut first = places.next().unwrap();
        first.is_for(id);
        first.keep();
        drop(first);
        drop(places);
        drop(awake);
        assert_eq!((account.taken().sessions, account.taken().sessions_awake), (Some(1), 0));
        account.session_gone(id);
        assert_eq!(account.taken().sessions, Some(0));
    });
}

#[test]
fn a_recount_tells_apart_what_is_made_and_deleted_beside_it() {
    let accounts = accounts(Quotas::default());
    let (account, ids) = (accounts.of(&own()), ids(8));
    let recount = accounts.recount(&own());
    run(async {
        // Before the list is read: one is made that the list will have, one that is there is deleted, one fails.
        let mut made = account.take_session().await.unwrap();
        made.is_for(ids[0]);
        let mut failed = account.take_session().await.unwrap();
        failed.is_for(ids[7]);
        account.session_gone(ids[2]);
        recount.page([ids[0], ids[1], ids[2], ids[3]].into_iter().map(|id| (id, 10)));
        made.keep();
        drop(failed);
        // Behind what was read: one that was counted goes, and one that was made.
        account.session_gone(ids[1]);
        account.session_gone(ids[0]);
        // In front of it: one goes, one is made.
        account.session_gone(ids[5]);
        let mut later = account.take_session().await.unwrap();
        later.is_for(ids[6]);
        recount.page([ids[4], ids[5], ids[6]].into_iter().map(|id| (id, 1)));
        later.keep();
        assert_eq!(account.taken().sessions, None);
        recount.end();
        // 3, 4 and 6.
        assert_eq!((account.taken().sessions, account.taken().inodes), (Some(3), 12));
        account.set_inodes(ids[3], 2);
        assert_eq!(account.taken().inodes, 4);
    });
}

#[test]
fn whoever_has_a_quota_waits_for_the_count() {
    let accounts = Arc::new(accounts(Quotas { sessions: Some(1), ..Quotas::default() }));
    let account = accounts.of(&own());
    run(async {
        let waiting = tokio::spawn({
            let account = account.clone();
            async move { account.take_session().await.map(drop) }
        });
        let recount = accounts.recount(&own());
        recount.page(ids(1).into_iter().map(|id| (id, 0)));
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        recount.end();
        let refused = waiting.await.unwrap().unwrap_err();
        assert_eq!((refused.quota, refused.used), (Quota::Sessions, 1));
    });
}

#[test]
fn what_is_stored_stops_growth_and_what_waits_to_be_collected_stops_commands() {
    let accounts =
        accounts(Quotas { stored_bytes: Some(100), uncollected_bytes: Some(40), inodes: Some(3), ..Quotas::default() });
    let account = accounts.of(&own());
    let at = |bytes, uncollected| {
        account.set_stored(Stored { bytes, uncollected });
        let growth = account.check_growth().map_err(|error| error.quota);
        (growth, account.check_churn().is_ok(), account.patience())
    };
    assert_eq!(at(99, 19), (Ok(()), true, Some(1)));
    assert_eq!(at(100, 20), (Err(Quota::StoredBytes), true, Some(5)));
    assert_eq!(at(0, 39), (Ok(()), true, Some(30)));
    assert_eq!(at(0, 40), (Err(Quota::UncollectedBytes), false, None));
    let error = account.check_churn().unwrap_err();
    assert!(error.is_storage() && error.retry_after.is_some(), "{error}");
    account.set_inodes(ids(1)[0], 3);
    assert_eq!(at(0, 0).0, Err(Quota::Inodes));
}

#[test]
fn an_older_state_of_a_tenant_changes_nothing() {
    let accounts = accounts(Quotas { streams: Some(9), ..Quotas::default() });
    let set = |revision, sessions| {
        let quotas = Quotas { sessions, ..Quotas::default() };
        accounts.set_terms(&own(), Terms { revision, quotas, ..Terms::default() });
        accounts.of(&own()).terms().quotas
    };
    assert_eq!(set(2, Some(1)).sessions, Some(1));
    let after = set(1, Some(7));
    assert_eq!((after.sessions, after.streams), (Some(1), Some(9)));
    assert_eq!(set(3, None).sessions, None);
}

#[test]
fn events_beyond_a_seconds_worth_wait_for_their_time() {
    let accounts = accounts(Quotas { events_per_s: Some(10), ..Quotas::default() });
    let account = accounts.of(&own());
    assert!((0..9).all(|_| account.pace_events(1).is_zero()));
    let wait = account.pace_events(20);
    assert!(wait > Duration::from_millis(1500) && wait <= Duration::from_secs(2), "{wait:?}");
    let free = Accounts::new(Quotas::default()).of(&own());
    assert!(free.pace_events(1_000_000).is_zero());
}
