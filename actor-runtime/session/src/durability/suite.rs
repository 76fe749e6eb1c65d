//! What every implementation of [`Durability`] must do, as one function over a way to open it.

mod names;

use super::{
    Batch, Claim, Claimed, Counters, Durability, DurabilityError, FileChange, Files, Keep, KeyedCommand, Level,
};
use super::{NewSession, Point};
use crate::event::{End, Event, State, Stream, What};
use crate::id::{ExecId, SessionId, SessionName, TenantId};
use crate::position::{Epoch, Position};
use crate::spec::{SessionSpec, Tier};
use bytes::Bytes;
use futures_util::future::join_all;
use std::sync::Arc;
use warren_kernel::host::{Host, Monotonic, Timestamp};
use warren_kernel::id::{Gid, Ino, Lsn, Pid, Uid};
use warren_kernel::process::ExitStatus;
use warren_kernel::vfs::Mode;
use warren_kernel::vfs::change::apply;
use warren_kernel::vfs::inode::Content;
use warren_kernel::vfs::inodes::{Birth, Inodes, ROOT_INO};
use warren_kernel::vfs::memory::{Quota, Tree};

/// Somewhere sessions are kept.
pub trait Place {
    /// Opens it. What was opened before is dropped already, without a word: as a process that was killed leaves it.
    fn open(&mut self) -> Arc<dyn Durability>;
}

/// Runs all of it, each part in a place of its own.
pub async fn run<P: Place>(mut make: impl FnMut() -> P) {
    a_session_is_made_found_and_listed(&mut make()).await;
    of_many_with_one_name_one_is_made(&mut make()).await;
    what_was_appended_is_there_after_a_crash(&mut make()).await;
    files_come_back_as_they_were(&mut make()).await;
    an_old_claim_writes_nothing(&mut make()).await;
    rest_ends_a_claim_and_keeps_everything(&mut make()).await;
    a_scratch_point_keeps_its_events(&mut make()).await;
    keys_and_what_was_unfinished_are_told(&mut make()).await;
    checkpoints_are_points_to_come_back_to(&mut make()).await;
    a_fork_is_a_session_of_its_own(&mut make()).await;
    names::a_session_gets_another_name_and_spec(&mut make()).await;
    names::of_two_that_want_a_name_one_has_it(&mut make()).await;
    a_deleted_session_leaves_a_tombstone(&mut make()).await;
    events_come_in_pages(&mut make()).await;
    many_sessions_write_at_once(&mut make()).await;
}

struct Counting(std::sync::atomic::AtomicU64);

impl Host for Counting {
    fn monotonic(&self) -> Monotonic {
        Monotonic(0)
    }

    fn realtime(&self) -> Timestamp {
        Timestamp::from_seconds(1_700_000_000)
    }

    fn fill_random(&self, buf: &mut [u8]) {
        let number = self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed).to_be_bytes();
        buf.fill(0);
        buf[..8].copy_from_slice(&number);
    }
}

static IDS: Counting = Counting(std::sync::atomic::AtomicU64::new(1));

fn tenant() -> TenantId {
    TenantId::embedded()
}

fn new(name: Option<&str>, tier: Tier) -> NewSession {
    NewSession {
        tenant: tenant(),
        id: SessionId::generate(&IDS),
        name: name.map(|name| name.parse().expect("a name")),
        spec: Arc::new(SessionSpec { durability: tier, ..SessionSpec::default() }),
        created: IDS.realtime(),
        forked_from: None,
    }
}

/// A session's owner, as the scribe is one.
struct Owner {
    claimed: Claimed,
    last: Position,
    layer: Inodes,
    tree: Tree,
    lsn: Lsn,
    counters: Counters,
}

fn birth() -> Birth {
    Birth { mode: Mode::new(0o755), uid: Uid(0), gid: Gid(0), now: Timestamp(1) }
}

fn layer() -> Inodes {
    // Made once: its inodes are compared by their address, as a node's layers are.
    static LAYER: std::sync::OnceLock<Inodes> = std::sync::OnceLock::new();
    LAYER.get_or_init(|| Inodes::empty(birth())).clone()
}

impl Owner {
    fn of(claimed: Claimed) -> Owner {
        let layer = layer();
        let (base, inodes, lsn) = match &claimed.files {
            Files::Fresh => (layer.clone(), layer.clone(), Lsn::ZERO),
            Files::Live { inodes, lsn } => (inodes.clone(), inodes.clone(), *lsn),
            Files::Stored { delta, blobs, then } => {
                let base = apply(&layer, delta, blobs).expect("what is kept fits its layer");
                let mut tree = base.clone();
                for delta in then {
                    tree = apply(&tree, delta, blobs).expect("what is kept fits what is before");
                }
                (base, tree, then.last().map_or(delta.to, |last| last.to))
            }
        };
        claimed.claim.attach(layer.clone(), base, inodes.clone());
        let tree = Tree::new(inodes, Quota { bytes: 1 << 30, inodes: 100_000 });
        let (last, counters) = (claimed.last, claimed.counters);
        Owner { claimed, last, layer, tree, lsn, counters }
    }

    fn claim(&self) -> &dyn Claim {
        &*self.claimed.claim
    }

    fn event(&mut self, what: What) -> Event {
        self.last = Position { epoch: self.claimed.epoch, seq: self.last.seq + 1 };
        Event { position: self.last, time: IDS.realtime(), what }
    }

    /// Writes a file of the root directory and returns the change.
    fn write(&mut self, name: &str, bytes: &[u8]) -> FileChange {
        let before = self.tree.snapshot();
        let ino = match self.tree.lookup(ROOT_INO, name.as_bytes()) {
            Ok(ino) => ino,
            Err(_) => {
                let file = Content::File(Default::default());
                self.tree.create(ROOT_INO, &name.as_bytes().into(), file, birth()).expect("there is room")
            }
        };
        let written = self.tree.write(ino, 0, bytes, Timestamp(2));
        assert!(matches!(written, Ok(count) if count == bytes.len()), "a new file is written at once");
        // The tree's own numbers start anew with each owner; the session's go on.
        let from = self.lsn;
        self.lsn = Lsn(self.lsn.0 + 3);
        FileChange { from, to: self.lsn, before, after: self.tree.snapshot() }
    }

    fn read(&self, name: &str) -> Option<Vec<u8>> {
        let ino: Ino = self.tree.lookup(ROOT_INO, name.as_bytes()).ok()?;
        let bytes = self.tree.file(ino).expect("it is a file");
        loop {
            match bytes.to_vec(1 << 20) {
                Ok(bytes) => return Some(bytes),
                Err(warren_kernel::Halt::Fetch(fetch)) => _ = fetch.perform(),
                Err(halt) => panic!("{halt:?}"),
            }
        }
    }

    async fn append(&mut self, whats: Vec<What>, files: Option<FileChange>) -> Result<(), DurabilityError> {
        let events = whats.into_iter().map(|what| self.event(what)).collect();
        let level = self.claimed.spec.durability.level().unwrap_or(Level::Buffered);
        let batch = Batch { events, files, keys: Vec::new(), counters: self.counters };
        self.claim().append(batch, level).await
    }

    fn point(&self) -> Point {
        Point {
            files: self.tree.snapshot(),
            lsn: self.lsn,
            layer: self.layer.clone(),
            position: self.last,
            counters: self.counters,
            events: Vec::new(),
            keys: Vec::new(),
            terminals: Default::default(),
            unfinished: Vec::new(),
        }
    }
}

fn audit(subject: &str) -> What {
    What::Audit { verb: "test".to_owned(), subject: subject.to_owned() }
}

async fn created(kept: &Arc<dyn Durability>, name: Option<&str>, tier: Tier) -> Owner {
    let mut owner = Owner::of(kept.create(new(name, tier)).await.expect("it can be made"));
    let began = What::EpochBegan { previous: owner.last };
    if tier != Tier::Scratch {
        owner.append(vec![began], None).await.expect("it is kept");
    }
    owner
}

async fn claimed(kept: &Arc<dyn Durability>, id: SessionId) -> Owner {
    Owner::of(kept.claim(&tenant(), id).await.expect("it can be claimed"))
}

async fn all_events(kept: &Arc<dyn Durability>, id: SessionId) -> Vec<Event> {
    let past = kept.events(&tenant(), id, Position::START, 64 << 20).await.expect("it is there");
    assert_eq!((past.lost, past.more), (None, false));
    past.events
}

async fn a_session_is_made_found_and_listed(place: &mut impl Place) {
    let kept = place.open();
    let mut ids = Vec::new();
    for index in 0..5 {
        let name = format!("name-{index}");
        let owner = created(&kept, Some(&name), Tier::Journal).await;
        assert_eq!((owner.claimed.epoch, owner.claimed.last), (Epoch::FIRST, Position::START));
        assert!(matches!(owner.claimed.files, Files::Fresh));
        ids.push(owner.claimed.summary.id);
    }
    ids.sort();
    for round in 0..2 {
        let (first, more) = kept.list(&tenant(), None, 3).await.expect("it lists");
        let (rest, none) = kept.list(&tenant(), Some(first[2].id), 3).await.expect("it lists");
        let listed: Vec<SessionId> = first.iter().chain(&rest).map(|summary| summary.id).collect();
        assert_eq!((listed, more, none), (ids.clone(), true, false), "round {round}");
        let name: SessionName = "name-3".parse().expect("a name");
        let found = kept.find(&tenant(), &name).await.expect("it finds").expect("it is there");
        assert_eq!(kept.describe(&tenant(), found).await.expect("it is known").name, Some(name));
    }
    drop(kept);
    let kept = place.open();
    assert_eq!(kept.list(&tenant(), None, 100).await.expect("it lists").0.len(), 5);
    let other: TenantId = "other".parse().expect("a tenant");
    assert!(kept.list(&other, None, 100).await.expect("it lists").0.is_empty());
    assert!(matches!(kept.describe(&other, ids[0]).await, Err(DurabilityError::Missing(_))));
    let nobody = SessionId::generate(&IDS);
    assert!(matches!(kept.claim(&tenant(), nobody).await, Err(DurabilityError::Missing(id)) if id == nobody));
    assert!(matches!(kept.delete(&tenant(), nobody).await, Err(DurabilityError::Missing(_))));
}

async fn of_many_with_one_name_one_is_made(place: &mut impl Place) {
    let kept = place.open();
    let made = join_all((0..16).map(|_| kept.create(new(Some("one"), Tier::Journal)))).await;
    let (won, lost): (Vec<_>, Vec<_>) = made.into_iter().partition(Result::is_ok);
    assert_eq!((won.len(), lost.len()), (1, 15));
    assert!(lost.iter().all(|lost| matches!(lost, Err(DurabilityError::NameTaken(_)))), "{lost:?}");
    assert_eq!(kept.list(&tenant(), None, 100).await.expect("it lists").0.len(), 1, "who lost was not made");
}

async fn what_was_appended_is_there_after_a_crash(place: &mut impl Place) {
    for tier in [Tier::Checkpoint, Tier::Journal, Tier::Strict] {
        let kept = place.open();
        let mut owner = created(&kept, None, tier).await;
        let id = owner.claimed.summary.id;
        for number in 0..10 {
            let subject = number.to_string();
            owner.append(vec![audit(&subject)], None).await.expect("it is kept");
        }
        let (last, epoch) = (owner.last, owner.claimed.epoch);
        drop((owner, kept));
        let kept = place.open();
        let owner = claimed(&kept, id).await;
        assert_eq!(owner.claimed.last, last);
        assert!(owner.claimed.epoch > epoch);
        assert_eq!(owner.claimed.spec.durability, tier);
        let events = all_events(&kept, id).await;
        assert_eq!(events.len(), 11);
        assert!(events.iter().zip(1..).all(|(event, seq)| event.position.seq == seq));
    }
}

async fn files_come_back_as_they_were(place: &mut impl Place) {
    let kept = place.open();
    let mut owner = created(&kept, None, Tier::Journal).await;
    let id = owner.claimed.summary.id;
    let large = vec![7; 700_000];
    let small = owner.write("small", b"one");
    owner.append(vec![audit("small")], Some(small)).await.expect("it is kept");
    owner.claim().checkpoint(owner.point(), None).await.expect("it is kept");
    let changed = owner.write("large", &large);
    owner.append(vec![audit("large")], Some(changed)).await.expect("it is kept");
    let changed = owner.write("small", b"two");
    owner.append(vec![audit("small")], Some(changed)).await.expect("it is kept");
    let lsn = owner.lsn;
    drop((owner, kept));
    for _ in 0..2 {
        // Twice, since to claim it must change nothing.
        let kept = place.open();
        let owner = claimed(&kept, id).await;
        assert_eq!(owner.lsn, lsn);
        assert_eq!(owner.read("small").as_deref(), Some(&b"two"[..]));
        assert!(owner.read("large") == Some(large.clone()));
        assert_eq!(owner.read("other"), None);
    }
}

async fn an_old_claim_writes_nothing(place: &mut impl Place) {
    let kept = place.open();
    let mut old = created(&kept, None, Tier::Journal).await;
    let id = old.claimed.summary.id;
    assert!(matches!(kept.claim(&tenant(), id).await, Err(DurabilityError::Owned(_))), "its owner is alive");
    assert!(matches!(kept.delete(&tenant(), id).await, Err(DurabilityError::Owned(_))), "its owner is alive");
    old.claim().hibernate(old.point()).await.expect("it rests");
    let mut next = claimed(&kept, id).await;
    next.append(vec![audit("next")], None).await.expect("it is kept");
    assert!(matches!(old.append(vec![audit("old")], None).await, Err(DurabilityError::Fenced(_))));
    assert!(matches!(old.claim().checkpoint(old.point(), None).await, Err(DurabilityError::Fenced(_))));
    assert!(matches!(old.claim().hibernate(old.point()).await, Err(DurabilityError::Fenced(_))));
    assert!(matches!(old.claim().delete().await, Err(DurabilityError::Fenced(_))));
    let events = all_events(&kept, id).await;
    assert_eq!(events.last().map(|event| event.what.clone()), Some(audit("next")));
}

async fn rest_ends_a_claim_and_keeps_everything(place: &mut impl Place) {
    let kept = place.open();
    let mut owner = created(&kept, Some("rests"), Tier::Checkpoint).await;
    let id = owner.claimed.summary.id;
    for round in 0..5u8 {
        let changed = owner.write("file", &[round; 10]);
        owner.counters = Counters { next_pid: 10 + u32::from(round), execs: u64::from(round), checkpoints: 1 };
        owner.append(vec![audit("write")], Some(changed)).await.expect("it is kept");
        owner.claim().hibernate(owner.point()).await.expect("it rests");
        assert_eq!(kept.describe(&tenant(), id).await.expect("it is known").state, State::Hibernated);
        let (last, counters) = (owner.last, owner.counters);
        owner = claimed(&kept, id).await;
        assert_eq!((owner.claimed.last, owner.claimed.counters), (last, counters));
        assert_eq!(owner.read("file").as_deref(), Some(&[round; 10][..]));
        assert_eq!(kept.describe(&tenant(), id).await.expect("it is known").position, last);
    }
}

async fn a_scratch_point_keeps_its_events(place: &mut impl Place) {
    let kept = place.open();
    let mut owner = created(&kept, None, Tier::Scratch).await;
    let id = owner.claimed.summary.id;
    let position = owner.last;
    let events: Vec<Event> = (0..3).map(|number| owner.event(audit(&number.to_string()))).collect();
    owner.write("file", b"one");
    let point = Point { events: events.clone(), position, ..owner.point() };
    owner.claim().hibernate(point).await.expect("it rests");
    drop((owner, kept));
    let kept = place.open();
    assert_eq!(all_events(&kept, id).await, events);
    let owner = claimed(&kept, id).await;
    assert_eq!(owner.claimed.last, events[2].position);
    assert_eq!(owner.read("file").as_deref(), Some(&b"one"[..]));
}

async fn keys_and_what_was_unfinished_are_told(place: &mut impl Place) {
    let kept = place.open();
    let mut owner = created(&kept, None, Tier::Journal).await;
    let id = owner.claimed.summary.id;
    let command =
        |exec, end| KeyedCommand { exec: ExecId(exec), after: Position::START, request: [exec as u8; 16], end };
    let key = |text: &str| text.parse().expect("a key");
    for (exec, name) in [(1, "ended"), (2, "runs")] {
        let keys = vec![(key(name), command(exec, None))];
        let batch = Batch { keys, ..Batch::default() };
        owner.claim().append(batch, Level::Synced).await.expect("it is kept");
        let started = What::Started { exec: ExecId(exec), pid: Pid(2), command: vec![name.to_owned()] };
        owner.append(vec![started], None).await.expect("it is kept");
    }
    let end = End::Status(ExitStatus::Exited(0));
    let output = What::Output { exec: ExecId(1), stream: Stream::Stdout, offset: 0, bytes: Bytes::from("hi") };
    let events = [output, What::Exited { exec: ExecId(1), end: end.clone() }];
    let events = events.into_iter().map(|what| owner.event(what)).collect();
    let keys = vec![(key("ended"), command(1, Some(end.clone())))];
    let batch = Batch { events, keys, counters: Counters { execs: 2, ..Counters::default() }, files: None };
    owner.claim().append(batch, Level::Synced).await.expect("it is kept");
    drop((owner, kept));
    let kept = place.open();
    let owner = claimed(&kept, id).await;
    assert_eq!(owner.claimed.unfinished, [ExecId(2)]);
    assert_eq!(owner.claimed.counters.execs, 2);
    let mut keys = owner.claimed.keys;
    keys.sort_by_key(|(_, command)| command.exec);
    assert_eq!(keys, [(key("ended"), command(1, Some(end))), (key("runs"), command(2, None))]);
}

async fn checkpoints_are_points_to_come_back_to(place: &mut impl Place) {
    let kept = place.open();
    let mut owner = created(&kept, None, Tier::Journal).await;
    let id = owner.claimed.summary.id;
    for (number, content) in [(1, "one"), (2, "two"), (3, "three")] {
        let changed = owner.write("file", content.as_bytes());
        owner.append(vec![audit(content)], Some(changed)).await.expect("it is kept");
        let keep = Keep { number, name: Some(content.to_owned()), time: Timestamp(number as i64) };
        let made = owner.claim().checkpoint(owner.point(), Some(keep)).await.expect("it is kept");
        assert_eq!((made.number, made.position), (number, owner.last));
    }
    drop((owner, kept));
    let kept = place.open();
    let owner = claimed(&kept, id).await;
    let numbers: Vec<u64> = owner.claim().checkpoints().iter().map(|made| made.number).collect();
    assert_eq!(numbers, [1, 2, 3]);
    let files = owner.claim().rollback(2).await.expect("it is there");
    let missing = owner.claim().rollback(9).await;
    assert!(matches!(missing, Err(DurabilityError::NoCheckpoint(_, 9))));
    let claimed = Claimed { files, ..owner.claimed };
    let mut back = Owner { lsn: owner.lsn, ..Owner::of(claimed) };
    assert_eq!(back.read("file").as_deref().map(|bytes| &bytes[..3]), Some(&b"two"[..]));
    // The way back is a change like any other.
    let from = back.lsn;
    back.lsn = Lsn(from.0 + 1);
    let changed = FileChange { from, to: back.lsn, before: owner.tree.snapshot(), after: back.tree.snapshot() };
    back.append(vec![What::RolledBack { checkpoint: 2 }], Some(changed)).await.expect("it is kept");
    let content = back.read("file");
    // The trees too: their blocks are loaded from what is dropped.
    drop((back, owner.tree, owner.claimed.files, kept));
    let kept = place.open();
    let owner = self::claimed(&kept, id).await;
    assert_eq!(owner.read("file"), content);
}

async fn a_fork_is_a_session_of_its_own(place: &mut impl Place) {
    let kept = place.open();
    let mut parent = created(&kept, None, Tier::Journal).await;
    let changed = parent.write("file", b"parent");
    parent.append(vec![audit("write")], Some(changed)).await.expect("it is kept");
    let asked = NewSession { forked_from: Some(parent.claimed.summary.id), ..new(Some("child"), Tier::Journal) };
    let mut child = Owner::of(parent.claim().fork(parent.point(), asked).await.expect("it is made"));
    assert_eq!((child.claimed.last, child.claimed.epoch), (Position::START, Epoch::FIRST));
    assert_eq!(child.read("file").as_deref(), Some(&b"parent"[..]));
    let changed = child.write("file", b"child!");
    child.append(vec![audit("child")], Some(changed)).await.expect("it is kept");
    let taken = parent.claim().fork(parent.point(), new(Some("child"), Tier::Journal)).await;
    assert!(matches!(taken, Err(DurabilityError::NameTaken(_))));
    let ids = [parent.claimed.summary.id, child.claimed.summary.id];
    drop((parent, child, kept));
    let kept = place.open();
    for (id, content) in ids.into_iter().zip([&b"parent"[..], b"child!"]) {
        assert_eq!(claimed(&kept, id).await.read("file").as_deref(), Some(content));
    }
    assert_eq!(kept.describe(&tenant(), ids[1]).await.expect("it is known").forked_from, Some(ids[0]));
}

async fn a_deleted_session_leaves_a_tombstone(place: &mut impl Place) {
    let kept = place.open();
    let by_owner = created(&kept, Some("one"), Tier::Journal).await;
    let at_rest = created(&kept, Some("two"), Tier::Journal).await;
    let ids = [by_owner.claimed.summary.id, at_rest.claimed.summary.id];
    by_owner.claim().delete().await.expect("it goes");
    at_rest.claim().hibernate(at_rest.point()).await.expect("it rests");
    kept.delete(&tenant(), ids[1]).await.expect("it goes");
    drop((by_owner, at_rest, kept));
    let kept = place.open();
    for (id, name) in ids.into_iter().zip(["one", "two"]) {
        assert_eq!(kept.describe(&tenant(), id).await.expect("there is a tombstone").state, State::Deleted);
        assert!(matches!(kept.claim(&tenant(), id).await, Err(DurabilityError::Deleted(_))));
        assert!(matches!(kept.delete(&tenant(), id).await, Err(DurabilityError::Deleted(_))));
        assert_eq!(kept.find(&tenant(), &name.parse().expect("a name")).await.expect("it finds"), None);
        created(&kept, Some(name), Tier::Journal).await;
    }
    assert_eq!(kept.list(&tenant(), None, 100).await.expect("it lists").0.len(), 2);
}

async fn events_come_in_pages(place: &mut impl Place) {
    let kept = place.open();
    let mut owner = created(&kept, None, Tier::Checkpoint).await;
    let id = owner.claimed.summary.id;
    for number in 0..50u64 {
        let bytes = Bytes::from(vec![number as u8; 1000]);
        let output = What::Output { exec: ExecId(1), stream: Stream::Stdout, offset: number * 1000, bytes };
        owner.append(vec![output], None).await.expect("it is kept");
    }
    let (mut after, mut pages) = (Position::START, 0);
    loop {
        let past = kept.events(&tenant(), id, after, 10_000).await.expect("it is there");
        assert!(past.lost.is_none() && past.events.len() < 30, "about what was asked for");
        for event in past.events {
            assert_eq!(event.position.seq, after.seq + 1);
            after = event.position;
        }
        pages += 1;
        if !past.more {
            break;
        }
    }
    assert!(after == owner.last && pages > 2);
    let none = kept.events(&tenant(), id, after, 10_000).await.expect("it is there");
    assert!(none.events.is_empty() && !none.more && none.lost.is_none());
}

async fn many_sessions_write_at_once(place: &mut impl Place) {
    let kept = place.open();
    let owners = join_all((0..32).map(|_| created(&kept, None, Tier::Journal))).await;
    let written = join_all(owners.into_iter().map(|mut owner| async move {
        for number in 0..20 {
            owner.append(vec![audit(&number.to_string())], None).await.expect("it is kept");
        }
        owner.claimed.summary.id
    }))
    .await;
    drop(kept);
    let kept = place.open();
    for id in written {
        assert_eq!(all_events(&kept, id).await.len(), 21);
    }
}
