//! Every kind of file with a changed byte, or cut short: what cannot be read is named, what can is as it was, and the rest
//! of the node serves.

use crate::model::noise;
use crate::world::{Owner, Shown, open, open_with, tenant, try_shown};
use std::path::{Path, PathBuf};
use std::time::Duration;
use warren_cluster::keeper::Keeper;
use warren_session::durability::{Durability, DurabilityError};
use warren_session::id::SessionId;
use warren_session::position::Position;
use warren_session::spec::Tier;

/// A session, and what it showed after each of its commands.
struct Life {
    id: SessionId,
    history: Vec<Vec<Shown>>,
    /// Where its packs are.
    packs: Vec<PathBuf>,
}

#[derive(Clone, Copy, Debug)]
enum Harm {
    /// The byte at this part of the file, in 64ths.
    Flip(usize),
    /// All from this part on is gone.
    Cut(usize),
}

impl Harm {
    fn all() -> impl Iterator<Item = Harm> {
        // Every header, and places all over.
        let flips = [0, 1, 2, 5, 11, 17, 23, 29, 35, 41, 47, 53, 59, 62, 63].map(Harm::Flip);
        flips.into_iter().chain([0, 1, 20, 40, 63].map(Harm::Cut))
    }

    fn harm(self, path: &Path) {
        let mut bytes = std::fs::read(path).unwrap();
        match self {
            Harm::Flip(part) => {
                let at = bytes.len() * part / 64;
                bytes[at] ^= 0x55;
            }
            Harm::Cut(part) => bytes.truncate(bytes.len() * part / 64),
        }
        std::fs::write(path, bytes).unwrap();
    }
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

fn copy(from: &Path, to: &Path) {
    for file in files(from) {
        let target = to.join(file.strip_prefix(from).unwrap());
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::copy(&file, &target).unwrap();
    }
}

async fn live(keeper: &Keeper, name: &str, seed: u8) -> Life {
    let mut owner = Owner::create(keeper, Tier::Journal, Some(name)).await;
    let mut history = Vec::new();
    for round in 0..3 {
        owner.run("f", &[seed, round]).await.unwrap();
        history.push(owner.shown());
    }
    owner.run("large", &noise(u64::from(seed), 400_000)).await.unwrap();
    history.push(owner.shown());
    let point = owner.point();
    owner.claim.checkpoint(point, None).await.unwrap();
    for round in 3..6 {
        owner.run("f", &[seed, round]).await.unwrap();
        history.push(owner.shown());
    }
    Life { id: owner.id, history, packs: Vec::new() }
}

/// Two sessions, each with a checkpoint and something in the journal behind it. With `moved`, every object is in its file.
async fn two_lives(dir: &Path, moved: bool) -> [Life; 2] {
    let interval = if moved { Duration::from_millis(10) } else { Duration::from_secs(3600) };
    let keeper = open_with(dir, |folder| folder.store.move_interval = interval);
    let mut lives = [live(&keeper, "victim", 1).await, live(&keeper, "other", 2).await];
    if moved {
        let mut known = packs_at_rest(&keeper, dir).await;
        for (life, number) in lives.iter_mut().zip(10..) {
            let mut owner = Owner::claim(&keeper, life.id).await;
            owner.run("own", &noise(number, 100_000)).await.unwrap();
            life.history = vec![owner.shown()];
            let point = owner.point();
            owner.claim.checkpoint(point, None).await.unwrap();
            let packs = packs_at_rest(&keeper, dir).await;
            life.packs = packs.iter().filter(|pack| !known.contains(*pack)).cloned().collect();
            known = packs;
        }
    }
    drop(keeper);
    if moved {
        for log in files(&dir.join("store/log")) {
            std::fs::remove_file(log).unwrap();
        }
    }
    lives
}

/// The packs there are, once every object is in its file.
async fn packs_at_rest(keeper: &Keeper, dir: &Path) -> Vec<PathBuf> {
    let objects = dir.join("store/objects");
    loop {
        let there = keeper.store().list("", None, 1000).await.unwrap().entries.len();
        let files = files(&objects);
        if files.len() == there {
            return files.into_iter().filter(|path| path.to_string_lossy().contains("/c/")).collect();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A session is as it once was, or says what cannot be read. Answers whether it is as it was.
async fn is_served(keeper: &Keeper, life: &Life, harm: &str) -> bool {
    let claimed = match keeper.claim(&tenant(), life.id).await {
        Err(DurabilityError::Damaged { id, reason }) => {
            assert!(id == life.id && !reason.is_empty(), "{harm}: {reason}");
            return false;
        }
        Err(DurabilityError::Missing(id)) => {
            assert_eq!(id, life.id, "{harm}");
            return false;
        }
        claimed => claimed.unwrap_or_else(|error| panic!("{harm}: {error}")),
    };
    let last = claimed.last;
    let owner = Owner::try_of(claimed).unwrap_or_else(|| panic!("{harm}: its files do not fit together"));
    let Some(shown) = try_shown(owner.tree.inodes()) else { return false };
    assert!(life.history.contains(&shown), "{harm}: it never was like this");
    match keeper.events(&tenant(), life.id, Position::START, usize::MAX).await {
        Ok(past) => {
            assert_eq!(past.events.len() as u64, last.seq, "{harm}: events are missing and nobody says so");
            true
        }
        Err(DurabilityError::Damaged { id, reason }) => {
            assert!(id == life.id && !reason.is_empty(), "{harm}: {reason}");
            false
        }
        Err(error) => panic!("{harm}: {error}"),
    }
}

/// Harms a file of a copy of the folder in every way. Answers how often a session did not notice.
async fn harm(from: &Path, lives: &[Life; 2], file: &Path, alone: bool) -> (usize, usize) {
    let (mut intact, mut harmed) = (0, 0);
    for how in Harm::all() {
        let dir = tempfile::tempdir().unwrap();
        copy(from, dir.path());
        let path = dir.path().join(file.strip_prefix(from).unwrap());
        how.harm(&path);
        let harm = format!("{how:?} of {}", path.display());
        let keeper = open(dir.path());
        if is_served(&keeper, &lives[0], &harm).await {
            intact += 1
        } else {
            harmed += 1
        }
        let other = is_served(&keeper, &lives[1], &harm).await;
        assert!(other || !alone, "{harm}: another session suffers");
        let mut new = Owner::create(&keeper, Tier::Journal, None).await;
        new.run("f", b"the node serves").await.unwrap();
        assert_eq!(
            keeper.list(&tenant(), None, 10).await.unwrap().0.len(),
            3 - missing(&keeper, lives).await,
            "{harm}"
        );
        keeper.sweep(&tenant()).await.unwrap();
        assert!(!alone || is_served(&keeper, &lives[1], &harm).await == other, "{harm}: a sweep takes what is needed");
    }
    (intact, harmed)
}

/// Sessions whose record is gone with the log it was in.
async fn missing(keeper: &Keeper, lives: &[Life; 2]) -> usize {
    let mut missing = 0;
    for life in lives {
        let described = keeper.describe(&tenant(), life.id).await;
        missing += usize::from(matches!(described, Err(DurabilityError::Missing(_))));
    }
    missing
}

#[tokio::test(flavor = "multi_thread")]
async fn a_harmed_object_harms_its_session_only() {
    let dir = tempfile::tempdir().unwrap();
    let lives = two_lives(dir.path(), true).await;
    let keeper = open(dir.path());
    for life in &lives {
        assert!(is_served(&keeper, life, "nothing is harmed").await, "without a log everything is in files");
    }
    drop(keeper);
    let id = lives[0].id.to_string();
    let objects = files(&dir.path().join("store/objects"));
    let is_victims = |path: &PathBuf| path.to_string_lossy().contains(&id) || lives[0].packs.contains(path);
    let victims: Vec<_> = objects.into_iter().filter(is_victims).collect();
    assert!(victims.len() >= 3, "a record, a segment, a pack: {victims:?}");
    for file in victims {
        // What was claimed above lies in the store's log and hides the record's file.
        for log in files(&dir.path().join("store/log")) {
            std::fs::remove_file(log).unwrap();
        }
        let (intact, _) = harm(dir.path(), &lives, &file, true).await;
        assert_eq!(intact, 0, "{}: every byte is checked", file.display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_harmed_log_costs_what_was_in_it_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let lives = two_lives(dir.path(), false).await;
    for log in ["journal", "store/log"] {
        for file in files(&dir.path().join(log)) {
            if std::fs::metadata(&file).unwrap().len() > 100 {
                harm(dir.path(), &lives, &file, false).await;
            }
        }
    }
    // A large object that only the store's log names.
    for file in files(&dir.path().join("store/tmp")) {
        harm(dir.path(), &lives, &file, false).await;
    }
}
