//! A session as its actor keeps it, without the actor: a tree that is changed, batches that say so.
#![allow(unreachable_pub, reason = "each test file uses its part")]

use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use warren_cluster::folder::Folder;
use warren_cluster::keeper::Keeper;
use warren_kernel::host::{Host, Monotonic, Timestamp};
use warren_kernel::id::{Gid, Ino, Lsn, Uid};
use warren_kernel::vfs::change::{InodeImage, apply};
use warren_kernel::vfs::inode::Content;
use warren_kernel::vfs::inodes::{Birth, Inodes, ROOT_INO};
use warren_kernel::vfs::layer::{Attributes, LayerBuilder};
use warren_kernel::vfs::memory::{Quota, Tree};
use warren_kernel::vfs::{Mode, Name};
use warren_session::durability::{
    Batch, Claim, Claimed, Counters, Durability, DurabilityError, FileChange, Files, Level, NewSession, Point,
};
use warren_session::event::{Event, Stream, What};
use warren_session::id::{ExecId, SessionId, TenantId};
use warren_session::position::{Epoch, Position};
use warren_session::spec::{SessionSpec, Tier};

pub const QUOTA: Quota = Quota { bytes: 1 << 40, inodes: 1 << 40 };

/// The machine's clock, and numbers that never come twice.
#[derive(Debug, Default)]
pub struct TestHost {
    counter: AtomicU64,
}

impl Host for TestHost {
    fn monotonic(&self) -> Monotonic {
        Monotonic(self.counter.fetch_add(1, Ordering::SeqCst))
    }

    fn realtime(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
        Timestamp(since.as_nanos() as i64)
    }

    fn fill_random(&self, buf: &mut [u8]) {
        let time = self.realtime().0.to_le_bytes();
        let hash = blake3::hash(&self.counter.fetch_add(1, Ordering::SeqCst).to_le_bytes());
        let mut reader = blake3::Hasher::new_derive_key("warren test host");
        reader.update(hash.as_bytes());
        reader.update(&time);
        reader.update(&std::process::id().to_le_bytes());
        reader.update(&(std::ptr::from_ref(self) as usize).to_le_bytes());
        reader.finalize_xof().fill(buf);
    }
}

pub fn host() -> Arc<TestHost> {
    Arc::new(TestHost::default())
}

pub fn open(dir: &std::path::Path) -> Keeper {
    open_with(dir, |_| {})
}

pub fn open_with(dir: &std::path::Path, change: impl FnOnce(&mut Folder)) -> Keeper {
    let mut folder = Folder::new(dir);
    change(&mut folder);
    // What an earlier keeper began in the background may still hold the folder for a moment.
    for _ in 0..2000 {
        match folder.open(host(), tokio::runtime::Handle::current()) {
            Err(error) if format!("{error:?}").contains("Held") => {
                tokio::task::block_in_place(|| std::thread::sleep(std::time::Duration::from_millis(5)));
            }
            opened => return opened.expect("the folder opens").0,
        }
    }
    panic!("an earlier keeper holds the folder");
}

pub fn tenant() -> TenantId {
    TenantId::embedded()
}

/// Two files that every session begins with.
pub fn layer() -> Inodes {
    let plain = Attributes { mode: 0o644, uid: 0, gid: 0, mtime_seconds: 1 };
    let mut builder = LayerBuilder::new();
    builder.text("/etc/motd", plain, b"welcome").expect("fits");
    builder.text("/bin/tool", Attributes { mode: 0o755, ..plain }, &[7; 200_000]).expect("fits");
    builder.build().inodes()
}

pub fn new_session(tier: Tier, name: Option<&str>) -> NewSession {
    let spec = SessionSpec { durability: tier, ..SessionSpec::default() };
    NewSession {
        tenant: tenant(),
        id: SessionId::generate(&*host()),
        name: name.map(|name| name.parse().expect("a name")),
        spec: Arc::new(spec),
        created: Timestamp(5),
        forked_from: None,
    }
}

/// An owner of a session.
pub struct Owner {
    pub id: SessionId,
    pub claim: Arc<dyn Claim>,
    pub epoch: Epoch,
    pub tier: Tier,
    pub tree: Tree,
    pub last: Position,
    pub execs: u64,
    pub counters: Counters,
    /// The tree and mutation of the last batch.
    pub said: (Inodes, Lsn),
    /// What a `scratch` session has not told anyone.
    pub untold: Vec<Event>,
}

impl Owner {
    pub fn of(claimed: Claimed) -> Owner {
        Owner::try_of(claimed).expect("the journal fits the snapshot, and that the layer")
    }

    /// `None` when what is kept of the files does not fit together.
    pub fn try_of(claimed: Claimed) -> Option<Owner> {
        let layer = layer();
        let (base, now, lsn) = match &claimed.files {
            Files::Fresh => (layer.clone(), layer.clone(), Lsn::ZERO),
            Files::Live { inodes, lsn } => (inodes.clone(), inodes.clone(), *lsn),
            Files::Stored { delta, blobs, then } => {
                let base = apply(&layer, delta, blobs).ok()?;
                let mut now = base.clone();
                for delta in then {
                    now = apply(&now, delta, blobs).ok()?;
                }
                (base, now, then.last().map_or(delta.to, |delta| delta.to))
            }
        };
        claimed.claim.attach(layer, base, now.clone());
        let mut owner = Owner {
            id: claimed.summary.id,
            claim: claimed.claim,
            epoch: claimed.epoch,
            tier: claimed.spec.durability,
            tree: Tree::resume(now.clone(), QUOTA, lsn),
            last: claimed.last,
            execs: claimed.counters.execs,
            counters: claimed.counters,
            said: (now, lsn),
            untold: Vec::new(),
        };
        let previous = owner.last;
        owner.last = Position { epoch: owner.epoch, seq: previous.seq };
        owner.note(What::EpochBegan { previous });
        Some(owner)
    }

    pub async fn create(keeper: &Keeper, tier: Tier, name: Option<&str>) -> Owner {
        Owner::of(keeper.create(new_session(tier, name)).await.expect("created"))
    }

    pub async fn claim(keeper: &Keeper, id: SessionId) -> Owner {
        Owner::of(keeper.claim(&tenant(), id).await.expect("claimed"))
    }

    pub fn note(&mut self, what: What) {
        self.last.seq += 1;
        self.untold.push(Event { position: self.last, time: Timestamp(9), what });
    }

    pub fn put(&mut self, name: &str, bytes: &[u8]) -> Ino {
        let now = Timestamp(self.tree.log().newest().0 as i64);
        let name: Name = name.as_bytes().into();
        let ino = self.tree.lookup(ROOT_INO, &name).unwrap_or_else(|_| {
            let birth = Birth { mode: Mode::new(0o640), uid: Uid(1000), gid: Gid(1000), now };
            self.tree.create(ROOT_INO, &name, Content::File(Default::default()), birth).expect("made")
        });
        self.tree.set_len(ino, 0, now).expect("cut");
        assert_eq!(self.tree.write(ino, 0, bytes, now).expect("written"), bytes.len());
        ino
    }

    /// A file without a name, as an upload is while it comes in.
    pub fn put_unnamed(&mut self, bytes: &[u8]) -> Ino {
        let now = Timestamp(self.tree.log().newest().0 as i64);
        let birth = Birth { mode: Mode::new(0o640), uid: Uid(1000), gid: Gid(1000), now };
        let ino = self.tree.create_unnamed(Content::File(Default::default()), birth).expect("made");
        assert_eq!(self.tree.write(ino, 0, bytes, now).expect("written"), bytes.len());
        ino
    }

    /// Its last bytes and its name.
    pub fn name(&mut self, ino: Ino, name: &str, at: u64, bytes: &[u8]) {
        let now = Timestamp(self.tree.log().newest().0 as i64);
        assert_eq!(self.tree.write(ino, at, bytes, now).expect("written"), bytes.len());
        self.tree.link(ino, ROOT_INO, &name.as_bytes().into(), now).expect("named");
    }

    /// What was done since the last batch.
    pub fn batch(&mut self) -> Batch {
        let (after, to) = (self.tree.snapshot(), self.tree.log().newest());
        let (before, from) = std::mem::replace(&mut self.said, (after.clone(), to));
        let files = (from != to).then_some(FileChange { from, to, before, after });
        Batch { events: std::mem::take(&mut self.untold), files, keys: Vec::new(), counters: self.counters }
    }

    /// As acknowledged as the session's tier says.
    pub async fn acknowledge(&mut self) -> Result<(), DurabilityError> {
        let Some(level) = self.tier.level() else { return Ok(()) };
        let batch = self.batch();
        self.claim.append(batch, level).await
    }

    pub async fn acknowledge_at(&mut self, level: Level) -> Result<(), DurabilityError> {
        let batch = self.batch();
        self.claim.append(batch, level).await
    }

    /// A command that writes a file and says something.
    pub async fn run(&mut self, name: &str, bytes: &[u8]) -> Result<(), DurabilityError> {
        self.execs += 1;
        self.counters.execs = self.execs;
        let exec = ExecId(self.execs);
        self.put(name, bytes);
        let bytes = Bytes::copy_from_slice(name.as_bytes());
        self.note(What::Output { exec, stream: Stream::Stdout, offset: 0, bytes });
        self.acknowledge().await
    }

    pub fn point(&mut self) -> Point {
        Point {
            files: self.tree.snapshot(),
            lsn: self.tree.log().newest(),
            layer: layer(),
            position: self.last,
            counters: self.counters,
            events: std::mem::take(&mut self.untold),
            keys: Vec::new(),
            unfinished: Vec::new(),
            terminals: Default::default(),
        }
    }

    pub async fn hibernate(mut self) -> Result<(), DurabilityError> {
        let point = self.point();
        self.claim.hibernate(point).await
    }

    pub fn shown(&self) -> Vec<Shown> {
        shown(self.tree.inodes())
    }
}

pub type Shown = (Ino, InodeImage, Vec<u8>, Vec<(Name, Ino)>, u64);

/// Everything a tree shows; what is not loaded is loaded.
pub fn shown(inodes: &Inodes) -> Vec<Shown> {
    try_shown(inodes).expect("every block can be loaded")
}

/// `None` when a block cannot be loaded.
pub fn try_shown(inodes: &Inodes) -> Option<Vec<Shown>> {
    inodes
        .iter()
        .map(|(ino, inode)| {
            let (mut bytes, mut names, mut charged) = (Vec::new(), Vec::new(), 0);
            match &inode.content {
                Content::File(file) => {
                    bytes = all_bytes(file)?;
                    charged = file.charged();
                }
                Content::Directory(own) => names = own.entries.iter().map(|(name, ino)| (name.clone(), *ino)).collect(),
                _ => {}
            }
            Some((ino, InodeImage::of(ino, inode), bytes, names, charged))
        })
        .collect()
}

fn all_bytes(file: &warren_kernel::extent::FileBytes) -> Option<Vec<u8>> {
    // One for each block of the largest file, and some that fail.
    for _ in 0..1000 {
        match file.to_vec(1 << 30) {
            Ok(bytes) => return Some(bytes),
            Err(warren_kernel::Halt::Fetch(fetch)) => {
                // The threads that fetch must not all wait here.
                let fetched = tokio::task::block_in_place(|| {
                    std::thread::scope(|scope| scope.spawn(|| fetch.perform()).join().expect("no panic"))
                });
                if matches!(fetched, warren_kernel::fetch::Fetched::Blob(Err(_))) {
                    return None;
                }
            }
            Err(halt) => panic!("{halt:?}"),
        }
    }
    None
}
