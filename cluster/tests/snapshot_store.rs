//! Snapshots in a real store: on disk, over a restart.

#[path = "snapshot/trees.rs"]
mod trees;

use std::sync::Arc;
use tokio::runtime::Builder;
use trees::{Bench, Op, assert_same};
use warren_cluster::keys::{KeyEncryptionKey, TenantKeys};
use warren_cluster::snapshot::gc::{Condemned, Named};
use warren_cluster::snapshot::objects::Objects;
use warren_cluster::snapshot::{SnapshotError, SnapshotOptions, Snapshots, StoreObjects};
use warren_cluster::store::{DiskStore, Flush, MemoryStore, Store};
use warren_kernel::host::Timestamp;
use warren_kernel::id::Lsn;
use warren_kernel::vfs::change::apply;
use warren_session::id::TenantId;

/// A tree that is not in the store yet.
fn bench() -> Bench {
    let mut bench = Bench::new();
    Op::all_kinds().iter().enumerate().for_each(|(number, op)| bench.apply(op, number as i64));
    bench
}

async fn open(store: Arc<dyn Store>, options: SnapshotOptions) -> Snapshots {
    let objects: Arc<dyn Objects> = Arc::new(StoreObjects::new(store, Flush::Now));
    let kek = KeyEncryptionKey::from_bytes([5; 32]);
    let keys = TenantKeys::open_or_create(&objects, &kek, &TenantId::embedded(), "1").await.expect("keys");
    Snapshots::new(objects, keys, tokio::runtime::Handle::current(), options)
}

#[test]
fn a_snapshot_on_disk_is_there_after_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let bench = bench();
    let start = || Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let runtime = start();
    let root = runtime.block_on(async {
        let store = Arc::new(DiskStore::open(folder.path()).expect("a store"));
        let snapshots = open(store, SnapshotOptions::default()).await;
        snapshots.write(None, &bench.layer, &bench.live(), &bench.layer, Lsn(9)).await.expect("written")
    });
    drop(runtime);
    let runtime = start();
    let (delta, blobs) = runtime.block_on(async {
        let store = Arc::new(DiskStore::open(folder.path()).expect("a store"));
        let snapshots = open(store, SnapshotOptions::default()).await;
        assert_eq!(snapshots.verify(&root).await.expect("a report").faults, vec![]);
        snapshots.read(&root).await.expect("read")
    });
    let tree = apply(&bench.layer, &delta, &blobs).expect("a tree");
    assert_same(&bench.layer, &bench.live(), &tree);
}

#[test]
fn a_full_store_is_one_clear_error_and_nothing_is_half_there() {
    let bench = bench();
    bench.block_on(async {
        let snapshots = open(Arc::new(MemoryStore::with_bytes_max(1000)), SnapshotOptions::default()).await;
        let error = snapshots.write(None, &bench.layer, &bench.live(), &bench.layer, Lsn(9)).await.expect_err("full");
        assert!(matches!(error, SnapshotError::Store(_)) && error.to_string().contains("full"), "{error}");
    });
}

#[test]
fn packs_in_a_store_are_collected() {
    let bench = bench();
    bench.block_on(async {
        // A clock ahead of the store's by more than two graces: all it holds is old.
        let (now, grace) = (SnapshotOptions::default().now, SnapshotOptions::default().grace);
        let ahead = std::sync::atomic::AtomicI64::new(0);
        let options = SnapshotOptions {
            now: Arc::new(move || {
                let step = grace.as_nanos() as i64;
                Timestamp(now().0 + ahead.fetch_add(step, std::sync::atomic::Ordering::Relaxed))
            }),
            ..SnapshotOptions::default()
        };
        let snapshots = open(Arc::new(MemoryStore::default()), options).await;
        let root = snapshots.write(None, &bench.layer, &bench.live(), &bench.layer, Lsn(9)).await.expect("written");
        let mut condemned = Condemned::default();
        let mut named = Named::default();
        named.add(&root).expect("a table");
        for _ in 0..3 {
            let named = named.clone();
            let sweep = snapshots.sweep(&mut condemned, || std::future::ready(Ok(named))).await.expect("swept");
            assert_eq!((sweep.condemned, sweep.deleted), (0, 0));
        }
        for deleted in [0, 1] {
            let sweep =
                snapshots.sweep(&mut condemned, || std::future::ready(Ok(Named::default()))).await.expect("swept");
            assert_eq!((sweep.deleted, sweep.strangers), (deleted, 0));
        }
        let error = snapshots.read(&root).await.err();
        assert!(
            !matches!(error, Some(SnapshotError::Store(_))),
            "it may be read from the cache, or is missing: {error:?}"
        );
    });
}
