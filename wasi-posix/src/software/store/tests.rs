#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]
use super::super::record::tests::{file, package};
use super::super::record::{Layout, Node};
use super::*;
use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Barrier};

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path().join("cache")).unwrap();
    (folder, store)
}

/// Installs a package whose commands have their own names as contents.
fn put(store: &Store, name: &str, commands: &[&str]) -> PackageRecord {
    let record = package(name, Layout::Package, commands);
    let lock = store.lock().unwrap();
    for command in commands {
        lock.add_blob(command.as_bytes(), 100).unwrap();
    }
    lock.install_record(&record).unwrap();
    record
}

fn id(bytes: &[u8]) -> BlobId {
    BlobId::new(*blake3::hash(bytes).as_bytes())
}

fn damage(store: &Store, blob: &BlobId, bytes: &[u8]) {
    let path = store.blob_path(blob);
    fs::remove_file(&path).unwrap();
    fs::write(&path, bytes).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
}

fn blob_count(store: &Store) -> usize {
    let shards = fs::read_dir(store.root().join("blobs")).unwrap();
    shards.map(|shard| fs::read_dir(shard.unwrap().path()).unwrap().count()).sum()
}

#[test]
fn a_blob_is_stored_once_under_its_hash_and_read_only() {
    let (_folder, store) = store();
    let lock = store.lock().unwrap();
    let added = lock.add_blob(&b"hello"[..], 5).unwrap();
    assert_eq!((added.id, added.size, added.is_new), (id(b"hello"), 5, true));
    assert!(!lock.add_blob(&b"hello"[..], 5).unwrap().is_new);
    let path = store.blob_path(&added.id);
    assert_eq!(fs::read(&path).unwrap(), b"hello");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o444);
    assert!(path.ends_with(format!("blobs/{}/{}", &added.id.to_string()[..2], added.id)));
    assert!(matches!(lock.add_blob(&b"hello!"[..], 5), Err(StoreError::TooLarge { max: 5 })));
    assert_eq!(fs::read_dir(store.root().join("tmp")).unwrap().count(), 0);
}

#[test]
fn two_threads_may_add_the_same_blob() {
    let (_folder, store) = store();
    let barrier = Arc::new(Barrier::new(4));
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let (store, barrier) = (store.clone(), barrier.clone());
            std::thread::spawn(move || {
                barrier.wait();
                for round in 0..50u32 {
                    let lock = store.lock().unwrap();
                    lock.add_blob(&round.to_le_bytes()[..], 4).unwrap();
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(blob_count(&store), 50);
}

#[test]
fn the_lock_keeps_others_out() {
    let (_folder, store) = store();
    let lock = store.lock().unwrap();
    assert!(store.try_lock().unwrap().is_none());
    drop(lock);
    assert!(store.try_lock().unwrap().is_some());
}

#[test]
fn what_a_crash_leaves_is_never_seen_and_goes_away() {
    let (_folder, store) = store();
    put(&store, "tools", &["a"]);
    // A crash while a blob was written, after an unreferenced one, and while a record was written.
    fs::write(store.root().join("tmp/123-0"), b"half a bl").unwrap();
    fs::write(store.root().join("tmp/123-1"), b"{\"format\": 1, \"na").unwrap();
    store.lock().unwrap().add_blob(&b"orphan"[..], 10).unwrap();
    assert_eq!(store.packages().unwrap().len(), 1);
    assert_eq!(store.verify(None).unwrap(), []);
    let lock = store.lock().unwrap();
    assert_eq!(fs::read_dir(store.root().join("tmp")).unwrap().count(), 0);
    assert_eq!(lock.collect().unwrap(), 6);
    assert_eq!(blob_count(&store), 1);
}

#[test]
fn a_record_is_refused_without_its_blobs() {
    let (_folder, store) = store();
    let record = package("tools", Layout::Package, &["a"]);
    let lock = store.lock().unwrap();
    assert!(matches!(lock.install_record(&record), Err(StoreError::MissingBlob { .. })));
    assert!(store.packages().unwrap().is_empty());
    let mut bad = record;
    bad.name = "../../x".into();
    assert!(matches!(lock.install_record(&bad), Err(StoreError::Refused { .. })));
}

#[test]
fn a_new_version_takes_the_place_of_the_old() {
    let (_folder, store) = store();
    put(&store, "tools", &["a", "b"]);
    let mut record = package("tools", Layout::Package, &["a"]);
    record.version = "2.0.0".into();
    store.lock().unwrap().install_record(&record).unwrap();
    assert_eq!(store.packages().unwrap(), [record.clone()]);
    assert_eq!(store.package("tools").unwrap(), Some(record));
    assert_eq!(store.package("other").unwrap(), None);
}

#[test]
fn removing_keeps_what_others_use() {
    let (_folder, store) = store();
    put(&store, "one", &["a", "b"]);
    put(&store, "two", &["b", "c"]);
    let lock = store.lock().unwrap();
    lock.remove("one").unwrap();
    assert!(!store.blob_path(&id(b"a")).exists());
    assert!(store.blob_path(&id(b"b")).exists());
    assert!(matches!(lock.remove("one"), Err(StoreError::NotInstalled { .. })));
    assert_eq!(store.verify(None).unwrap(), []);
}

#[test]
fn damage_is_found_and_adding_again_repairs_it() {
    let (_folder, store) = store();
    put(&store, "tools", &["aaaa", "b", "c", "d"]);
    damage(&store, &id(b"aaaa"), b"aaab");
    damage(&store, &id(b"b"), b"longer");
    fs::remove_file(store.blob_path(&id(b"c"))).unwrap();
    fs::set_permissions(store.blob_path(&id(b"d")), fs::Permissions::from_mode(0o644)).unwrap();
    let problems = store.verify(Some("tools")).unwrap();
    let kinds: Vec<_> = problems.iter().map(|problem| (problem.path.as_str(), &problem.kind)).collect();
    assert_eq!(
        kinds,
        [
            ("/bin/aaaa", &ProblemKind::Damaged { blob: id(b"aaaa"), found: id(b"aaab") }),
            ("/bin/b", &ProblemKind::WrongSize { blob: id(b"b"), expected: 1, found: 6 }),
            ("/bin/c", &ProblemKind::Missing { blob: id(b"c") }),
            ("/bin/d", &ProblemKind::WrongMode { blob: id(b"d"), found: 0o644 }),
        ]
    );
    assert!(problems[0].to_string().contains("tools@1.0.0: /bin/aaaa"));
    put(&store, "tools", &["aaaa", "b", "c", "d"]);
    assert_eq!(store.verify(None).unwrap(), []);
    assert!(matches!(store.verify(Some("none")), Err(StoreError::NotInstalled { .. })));
}

#[test]
fn broken_records_are_named_and_do_not_block_others() {
    let (_folder, store) = store();
    put(&store, "tools", &["a"]);
    fs::write(store.root().join("packages/broken@1.json"), b"{").unwrap();
    assert!(matches!(store.packages(), Err(StoreError::Syntax { .. })));
    let problems = store.verify(None).unwrap();
    assert!(matches!(problems[0].kind, ProblemKind::Record { .. }), "{problems:?}");
    // Nothing is collected while a record cannot be read: it might need the blobs.
    let lock = store.lock().unwrap();
    assert!(lock.collect().is_err());
    let record = package("other", Layout::Package, &["a"]);
    lock.install_record(&record).unwrap();
}

#[test]
fn a_record_read_from_disk_is_checked() {
    let (_folder, store) = store();
    let mut record = package("tools", Layout::Package, &["a"]);
    record.entries[1].path = "/bin/../a".into();
    fs::write(store.root().join("packages/tools@1.0.0.json"), serde_json::to_vec(&record).unwrap()).unwrap();
    assert!(matches!(store.packages(), Err(StoreError::Record { .. })));
}

#[test]
fn the_users_cache_folder() {
    let root = |pairs: &[(&str, &str)]| {
        let lookup = |name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).into());
        Store::default_root(&lookup)
    };
    let all = [("WARREN_CACHE", "/w"), ("XDG_CACHE_HOME", "/x"), ("HOME", "/h")];
    assert_eq!(root(&all), Some("/w".into()));
    assert_eq!(root(&all[1..]), Some("/x/warren".into()));
    assert_eq!(root(&[("WARREN_CACHE", ""), ("XDG_CACHE_HOME", "x"), ("HOME", "/h")]), Some("/h/.cache/warren".into()));
    assert_eq!(root(&[]), None);
}

#[test]
fn verifying_reports_an_alias_once() {
    let (_folder, store) = store();
    let mut record = package("tools", Layout::Package, &["a"]);
    record.entries.push(file("/bin/z", b"a"));
    let lock = store.lock().unwrap();
    lock.add_blob(&b"a"[..], 1).unwrap();
    lock.install_record(&record).unwrap();
    fs::remove_file(store.blob_path(&id(b"a"))).unwrap();
    assert_eq!(store.verify(None).unwrap().len(), 1);
    assert!(record.entries.iter().any(|entry| entry.node == Node::Directory));
}
