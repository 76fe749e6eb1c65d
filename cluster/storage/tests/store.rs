//! Every store answers the same questions alike; the one on disk also survives what a machine can do to it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]
#[path = "store/crash.rs"]
mod crash;

use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use warren_storage::disk::{RealDisk, SimulatedDisk};
use warren_storage::store::{
    DiskStore, DiskStoreOptions, Flush, MemoryStore, OpenError, PutError, Store, StoreError, Version,
};
use warren_store_suite::{conforms, key};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn memory_store_conforms() {
    conforms(&|| Arc::new(MemoryStore::default())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn disk_store_conforms() {
    let dir = tempfile::tempdir().unwrap();
    let count = std::sync::atomic::AtomicU32::new(0);
    let open = || -> Arc<dyn Store> {
        let number = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Arc::new(DiskStore::open(&dir.path().join(number.to_string())).unwrap())
    };
    conforms(&open).await;
}

/// The same while the mover is never at rest: what is asked for is now in the log, now in a file, now on its way.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn disk_store_conforms_while_it_moves() {
    let options = DiskStoreOptions { move_interval: Duration::ZERO, segment_bytes: 4096, ..Default::default() };
    let open = || -> Arc<dyn Store> {
        let disk = Arc::new(SimulatedDisk::new(1));
        Arc::new(DiskStore::open_on(disk, "/w".as_ref(), options.clone()).unwrap())
    };
    conforms(&open).await;
}

#[tokio::test]
async fn a_memory_store_has_a_bound() {
    let store = MemoryStore::with_bytes_max(10);
    let version = store.put_if_absent(&key("a"), Bytes::from_static(b"12345678"), Flush::Now).await.unwrap();
    let full = store.put_if_absent(&key("b"), Bytes::from_static(b"123"), Flush::Now).await.unwrap_err();
    assert_eq!(full, PutError::Store(StoreError::NoSpace));
    store.put_if_match(&key("a"), Bytes::from_static(b"1234567890"), &version, Flush::Now).await.unwrap();
    store.delete(&key("a")).await.unwrap();
    store.put_if_absent(&key("b"), Bytes::from_static(b"123"), Flush::Now).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_opener_is_told_who_was_first() {
    let dir = tempfile::tempdir().unwrap();
    let store = DiskStore::open(dir.path()).unwrap();
    let refused = DiskStore::open(dir.path()).unwrap_err();
    assert!(matches!(refused, OpenError::Lock(_)));
    assert!(refused.to_string().contains(&std::process::id().to_string()), "{refused}");
    drop(store);
    DiskStore::open(dir.path()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_and_versions_outlive_the_opening_moved_or_not() {
    let dir = tempfile::tempdir().unwrap();
    let large = Bytes::from(vec![5; 300_000]);
    let mut versions = Vec::new();
    for settle in [false, true] {
        let store = DiskStore::open(dir.path()).unwrap();
        for (name, bytes) in [("small", Bytes::from_static(b"x")), ("large", large.clone()), ("gone", large.clone())] {
            let named = key(&format!("{settle}/{name}"));
            versions.push((named.clone(), store.put_if_absent(&named, bytes, Flush::Soon).await.unwrap()));
        }
        store.delete(&key(&format!("{settle}/gone"))).await.unwrap();
        if settle {
            store.settle().await.unwrap();
        }
    }
    let store = DiskStore::open(dir.path()).unwrap();
    for (named, version) in &versions {
        let found = store.get(named).await.unwrap();
        if named.as_str().ends_with("gone") {
            assert_eq!(found, None);
            continue;
        }
        let found = found.unwrap();
        assert_eq!(found.version, *version);
        assert_eq!(found.bytes.len(), if named.as_str().ends_with("large") { large.len() } else { 1 });
        let stale = Version::new("nonsense");
        let conflict = store.put_if_match(named, Bytes::new(), &stale, Flush::Now).await.unwrap_err();
        assert_eq!(conflict, PutError::Conflict);
        let newer = store.put_if_match(named, Bytes::new(), version, Flush::Now).await.unwrap();
        assert!(versions.iter().all(|(_, old)| *old != newer), "a version is used once");
    }
    store.settle().await.unwrap();
    assert_eq!(store.list("", None, 100).await.unwrap().entries.len(), 4);
    let tmp = std::fs::read_dir(dir.path().join("tmp")).unwrap().count();
    assert_eq!(tmp, 0, "nothing is left behind");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotten_object_is_named_and_the_others_serve() {
    let dir = tempfile::tempdir().unwrap();
    let store = DiskStore::open(dir.path()).unwrap();
    let (good, bad) = (key("a/good"), key("a/bad"));
    for named in [&good, &bad] {
        store.put_if_absent(named, Bytes::from(vec![3; 300_000]), Flush::Now).await.unwrap();
    }
    store.settle().await.unwrap();
    let path = dir.path().join("objects/a/bad=");
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.len() - 10;
    bytes[at] ^= 1;
    std::fs::write(&path, &bytes).unwrap();

    let error = store.get(&bad).await.unwrap_err();
    assert!(matches!(&error, StoreError::Corrupt { key, .. } if *key == bad), "{error}");
    assert!(!error.to_string().contains(&dir.path().display().to_string()));
    // The parts that are intact can be read, the damaged block cannot.
    assert_eq!(store.get_range(&bad, 0..10).await.unwrap().unwrap(), vec![3; 10]);
    store.get_range(&bad, 199_000..300_000).await.unwrap_err();
    assert_eq!(store.get(&good).await.unwrap().unwrap().bytes.len(), 300_000);
    assert_eq!(store.list("a/", None, 10).await.unwrap().entries.len(), 2, "it can be found");
    let taken = store.put_if_absent(&bad, Bytes::new(), Flush::Now).await.unwrap_err();
    assert_eq!(taken, PutError::Conflict);

    assert!(!store.set_corrupt_aside(&good).await.unwrap());
    assert!(store.set_corrupt_aside(&bad).await.unwrap());
    assert_eq!(store.get(&bad).await.unwrap(), None);
    assert_eq!(std::fs::read_dir(dir.path().join("corrupt")).unwrap().count(), 1);
    store.put_if_absent(&bad, Bytes::from_static(b"new"), Flush::Now).await.unwrap();

    // A torn file, an empty one, and another object's under its name.
    store.settle().await.unwrap();
    for wrong in [&bytes[..50], &[], &std::fs::read(dir.path().join("objects/a/good=")).unwrap()] {
        std::fs::write(&path, wrong).unwrap();
        assert!(matches!(store.get(&bad).await, Err(StoreError::Corrupt { .. })));
    }
    store.delete(&bad).await.unwrap();
    assert_eq!(store.get(&bad).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_that_got_empty_go() {
    let dir = tempfile::tempdir().unwrap();
    let store = DiskStore::open_on(Arc::new(RealDisk), dir.path(), DiskStoreOptions::default()).unwrap();
    for name in ["a/b/c/d", "a/b/e"] {
        store.put_if_absent(&key(name), Bytes::new(), Flush::Now).await.unwrap();
    }
    store.settle().await.unwrap();
    assert!(dir.path().join("objects/a/b/c").is_dir());
    store.delete(&key("a/b/c/d")).await.unwrap();
    store.settle().await.unwrap();
    assert!(!dir.path().join("objects/a/b/c").exists() && dir.path().join("objects/a/b/e=").exists());
}
