//! A snapshot written by the first version of the format is read by every later one.
//!
//! The files in `golden/` were written by this test with `WARREN_GOLDEN=write`, once. They are never written again: a
//! change of the format gets a version and files of its own.

#[path = "snapshot/trees.rs"]
mod trees;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use trees::{Bench, Op, assert_same};
use warren_cluster::snapshot::objects::MemoryObjects;
use warren_cluster::snapshot::{PackId, SnapshotOptions, SnapshotRef};
use warren_kernel::extent::BLOCK;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// The tree the files were made of.
fn bench() -> Bench {
    let next = AtomicU8::new(1);
    let options = SnapshotOptions {
        pack_ids: Arc::new(move || Ok(PackId([next.fetch_add(1, Ordering::Relaxed); 16]))),
        ..SnapshotOptions::default()
    };
    let mut bench = Bench::with(Arc::new(MemoryObjects::default()), options);
    let ops = [
        Op::Directory(0, b"dir".to_vec()),
        Op::File(0, b"\xff odd\n".to_vec()),
        Op::Write(0, 0, 300, 1),
        Op::Symlink(0, b"link".to_vec(), 300),
        Op::Special(0, b"fifo".to_vec(), 0),
        Op::Special(0, b"socket".to_vec(), 1),
        Op::Special(0, b"char".to_vec(), 2),
        Op::Special(0, b"block".to_vec(), 3),
        Op::Xattr(0, 7, 40),
        Op::Xattr(1, 8, 5000),
        // A file of the layer: written into, a hole punched, cut.
        Op::Write(20, 10, 5, 2),
        Op::Unlink(9),
    ];
    ops.iter().enumerate().for_each(|(number, op)| bench.apply(op, number as i64));
    let pattern: Vec<u8> = (0..9 * BLOCK).map(|at| (at / 61) as u8 ^ (at / 9000) as u8).collect();
    let large = bench.file(b"large", &pattern);
    bench.write(large, 20 * BLOCK, b"behind a hole");
    let sparse = bench.file(b"sparse", b"");
    (0..300).for_each(|piece| bench.write(sparse, piece * 128 * BLOCK, b"x"));
    (0..400).for_each(|name| bench.link(sparse, format!("name{name}").as_bytes()));
    bench
}

#[test]
fn the_first_version_is_read() {
    let mut made = bench();
    if std::env::var("WARREN_GOLDEN").as_deref() == Ok("write") {
        let root = made.checkpoint();
        std::fs::create_dir_all(folder()).expect("a folder");
        std::fs::write(folder().join("v1.root"), rmp_serde::to_vec_named(&root).expect("bytes")).expect("written");
        made.store.with(|objects| {
            assert_eq!(objects.len(), 1);
            let (bytes, _) = objects.values().next().expect("a pack");
            std::fs::write(folder().join("v1.pack"), bytes).expect("written");
        });
    }
    let root = std::fs::read(folder().join("v1.root")).expect("the golden root");
    let root: SnapshotRef = rmp_serde::from_slice(&root).expect("a root");
    let pack = std::fs::read(folder().join("v1.pack")).expect("the golden pack");
    let store = Arc::new(MemoryObjects::default());
    let key = format!("default/c/{}", PackId([1; 16]));
    store.with(|objects| objects.insert(key, (pack.into(), Default::default())));
    let reader = Bench::with(store, SnapshotOptions::default());
    assert_same(&made.layer, &made.live(), &reader.wake(&root));
    let report = reader.verify(&root);
    assert_eq!((report.faults, report.inodes > 5), (vec![], true));
}
