//! What is damaged is named; nothing panics, and nothing else is given instead.

#[path = "snapshot/trees.rs"]
mod trees;

use bytes::Bytes;
use proptest::prelude::*;
use std::sync::{Arc, OnceLock};
use trees::{Bench, Op, noise};
use warren_cluster::keys::TenantKeys;
use warren_cluster::snapshot::objects::MemoryObjects;
use warren_cluster::snapshot::{SnapshotError, SnapshotOptions, SnapshotRef, Snapshots};
use warren_kernel::blob::BlobId;
use warren_kernel::extent::BLOCK;
use warren_kernel::vfs::change::{BlockImage, apply};

/// A snapshot in one pack: root, key, bytes.
fn small() -> &'static (SnapshotRef, String, Bytes) {
    static SMALL: OnceLock<(SnapshotRef, String, Bytes)> = OnceLock::new();
    SMALL.get_or_init(|| {
        let mut bench = Bench::new();
        let ops = [Op::Directory(0, b"dir".to_vec()), Op::File(1, b"file".to_vec()), Op::Write(0, 0, 3000, 1)];
        ops.iter().enumerate().for_each(|(number, op)| bench.apply(op, number as i64));
        let root = bench.checkpoint();
        let (key, bytes) = bench.store.with(|objects| {
            assert_eq!(objects.len(), 1);
            let (key, (bytes, _)) = objects.first_key_value().expect("one pack");
            (key.clone(), bytes.clone())
        });
        (root, key, bytes)
    })
}

/// The store with this object in place of the pack, never read before.
fn damaged(bytes: Option<Bytes>) -> Bench {
    let store = Arc::new(MemoryObjects::default());
    if let Some(bytes) = bytes {
        store.with(|objects| objects.insert(small().1.clone(), (bytes, Default::default())));
    }
    Bench::with(store, SnapshotOptions::default())
}

#[test]
fn a_flipped_byte_anywhere_in_a_pack_is_found() {
    let (root, _, bytes) = small();
    for at in (0..bytes.len()).step_by(7) {
        let mut flipped = bytes.to_vec();
        flipped[at] ^= 1 << (at % 8);
        let bench = damaged(Some(flipped.into()));
        let report = bench.verify(root);
        assert!(!report.faults.is_empty(), "byte {at}");
        let names_pack = report.faults.iter().all(|fault| matches!(fault.error, SnapshotError::Damaged { .. }));
        assert!(names_pack, "byte {at}: {:?}", report.faults);
    }
    assert_eq!(damaged(Some(bytes.clone())).verify(root).faults, vec![]);
}

#[test]
fn a_missing_and_a_cut_off_pack_are_named() {
    let (root, key, bytes) = small();
    let bench = damaged(None);
    let error = bench.block_on(bench.snapshots.read(root)).err().expect("nothing is there");
    assert!(matches!(error, SnapshotError::Missing { pack } if key.ends_with(&pack.to_string())), "{error}");
    let bench = damaged(Some(bytes.slice(..bytes.len() - 1)));
    let error = bench.block_on(bench.snapshots.read(root)).err().expect("the root's node is at the end");
    assert!(matches!(error, SnapshotError::Damaged { .. }), "{error}");
}

#[test]
fn another_tenants_keys_open_nothing() {
    let (root, key, bytes) = small();
    let bench = damaged(Some(bytes.clone()));
    let other = TenantKeys::from_data_key("other".parse().expect("a tenant"), [7; 32]);
    let theirs = key.replacen("default", "other", 1);
    bench.store.with(|objects| objects.insert(theirs, (bytes.clone(), Default::default())));
    let handle = bench.block_on(async { tokio::runtime::Handle::current() });
    let snapshots = Snapshots::new(bench.store.clone(), other, handle, SnapshotOptions::default());
    let error = bench.block_on(snapshots.read(root)).err().expect("bound to its tenant");
    assert!(matches!(error, SnapshotError::Damaged { .. }), "{error}");
}

#[test]
fn a_block_that_cannot_be_loaded_is_an_io_error_and_the_rest_is_read() {
    let mut bench = Bench::new();
    bench.file(b"one", &noise(3 * BLOCK as usize, 1));
    bench.checkpoint();
    bench.file(b"two", &noise(3 * BLOCK as usize, 2));
    let root = bench.checkpoint();
    let first = bench.store.with(|objects| {
        let metadata_is_last: Vec<String> = objects.keys().cloned().collect();
        metadata_is_last
            .into_iter()
            .find(|key| root.packs().expect("a table").iter().any(|row| key.ends_with(&row.pack.to_string())))
    });
    assert!(first.is_some());
    // Data lies in front of metadata in each pack.
    bench.store.with(|objects| {
        for (bytes, _) in objects.values_mut() {
            let mut damaged = bytes.to_vec();
            damaged[10] ^= 1;
            *bytes = damaged.into();
        }
    });
    let cold = Bench::with(bench.store.clone(), SnapshotOptions::default());
    let tree = cold.wake(&root);
    let report = cold.verify(&root);
    assert_eq!(report.faults.len(), 2, "{:?}", report.faults);
    let (delta, blobs) = cold.read(&root);
    let loads = delta.blocks.iter().flat_map(|range| &range.blocks).map(|(_, image)| match image {
        BlockImage::Stored(id, len) => blobs.load(id, *len).map(|_| ()),
        other => panic!("{other:?}"),
    });
    let (good, bad): (Vec<_>, Vec<_>) = loads.partition(|load| load.is_ok());
    assert!(!good.is_empty() && !bad.is_empty(), "{good:?} {bad:?}");
    assert_eq!(tree.len(), bench.live().len());
}

#[test]
fn the_id_of_another_content_is_refused() {
    let bench = damaged(None);
    let blobs = bench.snapshots.blobs();
    assert!(blobs.load(&BlobId([9; 32]), 5).is_err());
    assert!(blobs.load(&BlobId::of(b"other"), 5).is_err());
}

proptest! {
    #[test]
    fn a_root_that_lies_is_an_error_or_harmless(flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let (root, _, bytes) = small();
        let mut lie = rmp_serde::to_vec_named(root).expect("a root can be written");
        for (at, value) in flips {
            let at = at.index(lie.len());
            lie[at] = value;
        }
        let Ok(lie) = rmp_serde::from_slice::<SnapshotRef>(&lie) else { return Ok(()) };
        let bench = damaged(Some(bytes.clone()));
        let report = bench.verify(&lie);
        prop_assert!(report.inodes <= 100);
        if let Ok((delta, blobs)) = bench.block_on(bench.snapshots.read(&lie)) {
            let _ = apply(&bench.layer, &delta, &blobs);
        }
    }
}
