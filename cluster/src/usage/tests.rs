#![allow(clippy::unwrap_used, reason = "a test")]
use super::*;
use crate::store::{MemoryStore, Object, Page, Version};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use std::ops::Range;
use std::sync::atomic::AtomicU8;
use warren_wasi_posix::system::SystemHost;

fn tenant() -> TenantId {
    "acme".parse().unwrap()
}

fn requests(count: u64) -> Amounts {
    Amounts { requests: count, cpu_ns: count * 7, ..Amounts::default() }
}

fn now() -> Hour {
    Hour::of(SystemHost.realtime())
}

async fn sum(usage: &Usage) -> Amounts {
    let mut sum = Amounts::default();
    // A test may run over the end of an hour.
    let rows = usage.rows(&tenant(), Hour(now().0 - 1), Hour(now().0 + 2)).await.unwrap();
    rows.iter().for_each(|row| sum.add(row.amounts));
    sum
}

#[tokio::test]
async fn what_was_used_adds_up_over_restarts_and_rows() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let (a, b) = (SessionId::generate(&SystemHost), SessionId::generate(&SystemHost));
    for _ in 0..3 {
        let usage = Usage::new(store.clone(), Arc::new(SystemHost));
        usage.add(&tenant(), Some(a), requests(1));
        usage.add(&tenant(), Some(b), requests(2));
        usage.add(&tenant(), Some(a), requests(4));
        usage.request(&tenant(), None);
        usage.request(&"other".parse().unwrap(), None);
        usage.flush().await.unwrap();
    }
    let usage = Usage::new(store.clone(), Arc::new(SystemHost));
    assert_eq!(sum(&usage).await, Amounts { requests: 24, cpu_ns: 147, ..Amounts::default() });
    let rows = usage.rows(&tenant(), Hour(now().0 - 1), Hour(now().0 + 2)).await.unwrap();
    let of = |session| rows.iter().filter(|row| row.session == session).map(|row| row.amounts.requests).sum::<u64>();
    assert_eq!((of(Some(a)), of(Some(b)), of(None)), (15, 6, 3));
    assert_eq!(usage.rows(&tenant(), Hour(0), Hour(5)).await.unwrap(), []);
    assert_eq!(usage.prune(&tenant(), Hour(now().0 - 1)).await.unwrap(), 0);
    assert!(usage.prune(&tenant(), Hour(now().0 + 2)).await.unwrap() > 0);
    assert_eq!(sum(&usage).await, Amounts::default());
}

#[tokio::test]
async fn an_hour_has_so_many_rows_and_no_more() {
    let usage = Usage::new(Arc::new(MemoryStore::default()), Arc::new(SystemHost));
    for _ in 0..ROWS_MAX + 50 {
        usage.request(&tenant(), Some(SessionId::generate(&SystemHost)));
    }
    assert_eq!(sum(&usage).await.requests, ROWS_MAX as u64 + 50);
    let rows = usage.rows(&tenant(), Hour(now().0 - 1), Hour(now().0 + 2)).await.unwrap();
    assert!(rows.len() <= 2 * (ROWS_MAX + 1) && rows.iter().any(|row| row.session.is_none()));
}

/// A store whose writes fail: 1 before they are made, 2 after.
#[derive(Debug, Default)]
struct Failing(MemoryStore, AtomicU8);

impl Failing {
    async fn put<T>(&self, put: BoxFuture<'_, Result<T, PutError>>) -> Result<T, PutError> {
        let failed = PutError::Store(StoreError::Unavailable { reason: "a test".to_owned() });
        match self.1.swap(0, Ordering::SeqCst) {
            1 => Err(failed),
            2 => put.await.and(Err(failed)),
            _ => put.await,
        }
    }
}

impl Store for Failing {
    fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Object>, StoreError>> {
        self.0.get(key)
    }
    fn get_range<'a>(&'a self, key: &'a Key, range: Range<u64>) -> BoxFuture<'a, Result<Option<Bytes>, StoreError>> {
        self.0.get_range(key, range)
    }
    fn put_if_absent<'a>(&'a self, key: &'a Key, bytes: Bytes, f: Flush) -> BoxFuture<'a, Result<Version, PutError>> {
        Box::pin(self.put(self.0.put_if_absent(key, bytes, f)))
    }
    fn put_if_match<'a>(
        &'a self,
        key: &'a Key,
        bytes: Bytes,
        version: &'a Version,
        flush: Flush,
    ) -> BoxFuture<'a, Result<Version, PutError>> {
        Box::pin(self.put(self.0.put_if_match(key, bytes, version, flush)))
    }
    fn flush(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        self.0.flush()
    }
    fn delete<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<(), StoreError>> {
        self.0.delete(key)
    }
    fn delete_if_match<'a>(&'a self, key: &'a Key, version: &'a Version) -> BoxFuture<'a, Result<(), PutError>> {
        self.0.delete_if_match(key, version)
    }
    fn list<'a>(
        &'a self,
        prefix: &'a str,
        after: Option<&'a Key>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Page, StoreError>> {
        self.0.list(prefix, after, limit)
    }
}

#[tokio::test]
async fn a_write_nobody_knows_the_outcome_of_is_counted_once() {
    let store = Arc::new(Failing::default());
    let usage = Usage::new(store.clone(), Arc::new(SystemHost));
    let mut expected = 0;
    for (round, failure) in [1, 2, 2, 1, 0, 2].into_iter().enumerate() {
        usage.add(&tenant(), None, requests(1 << round));
        expected += 1 << round;
        store.1.store(failure, Ordering::SeqCst);
        assert_eq!(usage.flush().await.is_err(), failure > 0, "{round}");
        usage.add(&tenant(), None, requests(1 << (10 + round)));
        expected += 1 << (10 + round);
    }
    assert_eq!(sum(&usage).await.requests, expected);
}

/// The audit log has the same care to take.
#[tokio::test]
async fn a_record_nobody_knows_the_outcome_of_is_written_once() {
    use crate::audit::{Audit, AuditOptions, Deed, verify};
    let store = Arc::new(Failing::default());
    let options = AuditOptions { keep: Duration::from_secs(3600), bytes_max: 1 << 30 };
    let audit = Audit::new(store.clone(), Arc::new(SystemHost), options);
    for failure in [0, 2, 1, 2, 2, 0] {
        audit.record(&tenant(), Deed::default(), false);
        store.1.store(failure, Ordering::SeqCst);
        assert_eq!(audit.flush(&tenant()).await.is_err(), failure > 0);
    }
    audit.flush(&tenant()).await.unwrap();
    let (lines, _) = audit.read(&tenant(), 0, 100).await.unwrap();
    let verified = verify(lines.iter().map(String::as_str)).unwrap().unwrap();
    assert_eq!((verified.records, verified.last), (6, 6));
}
