#![allow(clippy::unwrap_used, reason = "a test")]
use super::*;
use crate::snapshot::objects::MemoryObjects;

#[tokio::test]
async fn what_is_put_counts_as_kept_and_as_waiting_until_a_sweep_knows() {
    let stored = Arc::new(Stored::default());
    let counted = Counted { objects: Arc::new(MemoryObjects::default()), stored: stored.clone() };
    let tenant: TenantId = "acme".parse().unwrap();
    let put = |key: &'static str| counted.put_if_absent(key, Bytes::from_static(&[0; 100]));
    assert!(put("acme/p/1").await.unwrap());
    assert!(!put("acme/p/1").await.unwrap(), "it is there already");
    let of = || stored.all()[0].1;
    assert_eq!(of(), StoredBytes { bytes: 100, uncollected: 100 });
    let before = stored.fresh(&tenant);
    put("acme/p/2").await.unwrap();
    stored.swept(&tenant, before, 70, 30);
    assert_eq!(of(), StoredBytes { bytes: 170, uncollected: 130 });
    stored.swept(&tenant, stored.fresh(&tenant), 200, 0);
    assert_eq!(of(), StoredBytes { bytes: 200, uncollected: 0 });
}
