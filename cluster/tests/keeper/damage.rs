//! What cannot be read is named, and the rest of the node serves.

use crate::world::{Owner, Shown, open, open_with, tenant};
use std::path::{Path, PathBuf};
use warren_session::durability::{Durability, DurabilityError};
use warren_session::event::State;
use warren_session::id::SessionId;
use warren_session::position::Position;
use warren_session::spec::Tier;

/// Files below a folder whose path has this in it.
fn files(dir: &Path, part: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut left = vec![dir.to_owned()];
    while let Some(at) = left.pop() {
        for entry in std::fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                left.push(path);
            } else if path.to_string_lossy().contains(part) {
                found.push(path);
            }
        }
    }
    found
}

/// A file below a folder whose path has both in it, once the store has moved it there.
async fn file(dir: &Path, part: &str, other: &str) -> PathBuf {
    for _ in 0..3000 {
        if let Some(found) = files(dir, part).into_iter().find(|path| path.to_string_lossy().contains(other)) {
            return found;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("no file with {part} and {other} in its path")
}

/// A store that moves objects to their files at once.
fn open_moving(dir: &Path) -> warren_cluster::keeper::Keeper {
    open_with(dir, |folder| folder.store.move_interval = std::time::Duration::from_millis(10))
}

/// Changes a byte in the middle.
fn spoil(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x55;
    std::fs::write(path, bytes).unwrap();
}

/// A session that will be damaged, and another with what it shows. Nothing of the store is in its log any more.
async fn two_at_rest(dir: &Path) -> (SessionId, SessionId, Vec<Shown>) {
    let keeper = open_moving(dir);
    let mut victim = Owner::create(&keeper, Tier::Checkpoint, Some("victim")).await;
    victim.run("f", &[1; 100_000]).await.unwrap();
    let id = victim.id;
    victim.hibernate().await.unwrap();
    let mut other = Owner::create(&keeper, Tier::Checkpoint, Some("other")).await;
    other.run("f", &[2; 100_000]).await.unwrap();
    let point = other.point();
    other.claim.checkpoint(point, None).await.unwrap();
    let (other, shown) = (other.id, { other }.shown());
    for id in [id, other] {
        file(dir, &id.to_string(), "rec").await;
        file(dir, &id.to_string(), "/e0").await;
    }
    drop(keeper);
    for log in files(&dir.join("store"), ".wal") {
        std::fs::remove_file(log).unwrap();
    }
    (id, other, shown)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_record_fails_its_session_only() {
    let dir = tempfile::tempdir().unwrap();
    let (victim, other, shown) = two_at_rest(dir.path()).await;
    spoil(&file(dir.path(), &victim.to_string(), "rec").await);
    let keeper = open(dir.path());
    let refused = keeper.claim(&tenant(), victim).await.unwrap_err();
    assert!(matches!(refused, DurabilityError::Damaged { id, .. } if id == victim), "{refused}");
    assert_eq!(Owner::claim(&keeper, other).await.shown(), shown);
    let listed = keeper.list(&tenant(), None, 10).await.unwrap().0;
    assert_eq!(listed.len(), 2);
    assert!(listed.iter().any(|summary| summary.id == victim && summary.state == State::Failed));
    let swept = keeper.sweep(&tenant()).await.unwrap();
    assert_eq!(swept.unreadable, [victim]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_segment_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let (victim, _, _) = two_at_rest(dir.path()).await;
    spoil(&file(&dir.path().join("store"), &victim.to_string(), "/e0").await);
    let keeper = open(dir.path());
    let refused = keeper.events(&tenant(), victim, Position::START, 1000).await.unwrap_err();
    assert!(refused.to_string().contains("/j0"), "{refused}");
    // Its files do not depend on it.
    assert_eq!(Owner::claim(&keeper, victim).await.shown().len(), crate::world::layer().len() + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_key_file_opens_nothing_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let (victim, _, _) = two_at_rest(dir.path()).await;
    std::fs::remove_file(dir.path().join("node.key")).unwrap();
    let keeper = open(dir.path());
    let refused = keeper.claim(&tenant(), victim).await.unwrap_err();
    assert!(refused.to_string().contains("key"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_torn_end_of_the_journal_is_what_was_not_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let (id, shown) = {
        let keeper = open(dir.path());
        let mut owner = Owner::create(&keeper, Tier::Journal, None).await;
        owner.run("f", b"1").await.unwrap();
        let shown = owner.shown();
        owner.run("g", b"2").await.unwrap();
        (owner.id, shown)
    };
    let log = files(&dir.path().join("journal"), ".wal").into_iter().max().expect("there is a log");
    let length = std::fs::metadata(&log).unwrap().len();
    std::fs::OpenOptions::new().write(true).open(&log).unwrap().set_len(length - 3).unwrap();
    let keeper = open(dir.path());
    assert_eq!(Owner::claim(&keeper, id).await.shown(), shown);
}
