//! A session's tree without a session: a layer, random changes to it, and checkpoints of it.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "this is test code, if not of one test")]

use proptest::prelude::*;
use std::sync::{Arc, OnceLock};
use tokio::runtime::Runtime;
use warren_cluster::keys::TenantKeys;
use warren_cluster::snapshot::objects::MemoryObjects;
use warren_cluster::snapshot::{Report, SnapshotOptions, SnapshotRef, Snapshots};
use warren_kernel::blob::{Blob, Blobs};
use warren_kernel::extent::{BLOCK, Block};
use warren_kernel::fetch::Fetch;
use warren_kernel::host::Timestamp;
use warren_kernel::id::{Gid, Ino, Lsn, Uid};
use warren_kernel::vfs::change::{Delta, apply};
use warren_kernel::vfs::inode::{Content, Directory};
use warren_kernel::vfs::inodes::{Birth, Inodes, ROOT_INO};
use warren_kernel::vfs::layer::{Attributes, Layer, LayerBuilder};
use warren_kernel::vfs::memory::{Quota, Tree};
use warren_kernel::vfs::{Mode, Name};
use warren_kernel::wait::{Halt, Step};
use warren_session::id::TenantId;

const ROOM: Quota = Quota { bytes: 1 << 40, inodes: 1 << 20 };

/// A change of a tree. Numbers choose among what there is.
#[derive(Clone, Debug)]
pub enum Op {
    File(u8, Vec<u8>),
    Directory(u8, Vec<u8>),
    Symlink(u8, Vec<u8>, u16),
    Special(u8, Vec<u8>, u8),
    Write(u8, u64, u32, u8),
    Cut(u8, u64),
    Punch(u8, u64, u64),
    Link(u8, u8, Vec<u8>),
    Rename(u8, u8, Vec<u8>),
    Unlink(u8),
    Attributes(u8, u32),
    Xattr(u8, u8, u32),
    ReadTime(u8),
    Unnamed(u8),
    Checkpoint,
    Wake,
    Back(u8),
}

impl Op {
    pub fn all_kinds() -> Vec<Op> {
        vec![
            Op::Directory(0, b"dir".to_vec()),
            Op::File(1, b"\xff\x01odd\n".to_vec()),
            Op::Write(0, 0, 200_000, 1),
            Op::Write(1, 3 * BLOCK + 77, 100_000, 2),
            Op::Symlink(0, b"link".to_vec(), 300),
            Op::Special(0, b"fifo".to_vec(), 0),
            Op::Special(0, b"socket".to_vec(), 1),
            Op::Special(0, b"char".to_vec(), 2),
            Op::Special(0, b"block".to_vec(), 3),
            Op::Link(0, 0, b"hard".to_vec()),
            Op::Xattr(0, 1, 10),
            Op::Xattr(1, 2, 60_000),
            Op::Punch(1, 0, BLOCK),
            Op::Write(2, 70_000, 10, 3),
            Op::Punch(2, BLOCK, 2 * BLOCK),
            Op::Cut(1, 4 * BLOCK + 3),
            Op::Attributes(2, 0o6755),
            Op::Unlink(3),
            Op::ReadTime(4),
        ]
    }
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => prop::collection::vec(b'a'..b'f', 1..3),
        1 => prop::collection::vec(any::<u8>(), 1..255),
    ]
    .prop_map(|name| name.into_iter().map(|byte| if byte == 0 || byte == b'/' { b'_' } else { byte }).collect())
}

fn offset() -> impl Strategy<Value = u64> {
    prop_oneof![
        3 => 0..4 * BLOCK,
        1 => (0..300_u64).prop_map(|block| block * BLOCK),
        1 => 0..200_000 * BLOCK,
    ]
}

pub fn ops(most: usize) -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        6 => (any::<u8>(), name()).prop_map(|(a, b)| Op::File(a, b)),
        3 => (any::<u8>(), name()).prop_map(|(a, b)| Op::Directory(a, b)),
        1 => (any::<u8>(), name(), 1..4000_u16).prop_map(|(a, b, c)| Op::Symlink(a, b, c)),
        1 => (any::<u8>(), name(), 0..4_u8).prop_map(|(a, b, c)| Op::Special(a, b, c)),
        12 => (any::<u8>(), offset(), 1..250_000_u32, any::<u8>()).prop_map(|(a, b, c, d)| Op::Write(a, b, c, d)),
        4 => (any::<u8>(), 0..400_u64, 1..100_u32, any::<u8>())
            .prop_map(|(a, b, c, d)| Op::Write(a, b * BLOCK * 3, c, d)),
        3 => (any::<u8>(), offset()).prop_map(|(a, b)| Op::Cut(a, b)),
        3 => (any::<u8>(), offset(), offset()).prop_map(|(a, b, c)| Op::Punch(a, b, c)),
        2 => (any::<u8>(), any::<u8>(), name()).prop_map(|(a, b, c)| Op::Link(a, b, c)),
        3 => (any::<u8>(), any::<u8>(), name()).prop_map(|(a, b, c)| Op::Rename(a, b, c)),
        3 => any::<u8>().prop_map(Op::Unlink),
        2 => (any::<u8>(), any::<u32>()).prop_map(|(a, b)| Op::Attributes(a, b)),
        2 => (any::<u8>(), any::<u8>(), 0..60_000_u32).prop_map(|(a, b, c)| Op::Xattr(a, b, c)),
        1 => any::<u8>().prop_map(Op::ReadTime),
        1 => any::<u8>().prop_map(Op::Unnamed),
        4 => Just(Op::Checkpoint),
        3 => Just(Op::Wake),
        1 => any::<u8>().prop_map(Op::Back),
    ];
    prop::collection::vec(op, 1..most)
}

/// A layer of a few files, one of them larger than a block: one layer for all sessions, as a node has.
pub fn layer() -> Arc<Layer> {
    static LAYER: OnceLock<Arc<Layer>> = OnceLock::new();
    LAYER.get_or_init(new_layer).clone()
}

fn new_layer() -> Arc<Layer> {
    let attributes = Attributes { mode: 0o644, uid: 0, gid: 0, mtime_seconds: 7 };
    let folder = Attributes { mode: 0o755, ..attributes };
    let large: Vec<u8> = (0..3 * BLOCK + 1000).map(|at| (at / 3) as u8).collect();
    let mut layer = LayerBuilder::new();
    layer.directory("/etc", folder).unwrap();
    layer.directory("/usr/share", folder).unwrap();
    layer.text("/etc/passwd", attributes, b"root:x:0:0\n").unwrap();
    layer.file("/usr/share/large", attributes, Blob::loaded(large)).unwrap();
    layer.symlink("/etc/link", "/usr/share", attributes).unwrap();
    layer.device("/null", attributes, 0x103).unwrap();
    for number in 0..40 {
        layer.text(&format!("/usr/share/file{number}"), attributes, format!("{number}").as_bytes()).unwrap();
    }
    layer.build()
}

/// A live tree, its store, and where both stood together last.
pub struct Bench {
    pub store: Arc<MemoryObjects>,
    pub snapshots: Snapshots,
    pub layer: Inodes,
    runtime: Runtime,
    tree: Tree,
    /// Mutations before this tree's own log began.
    lsn: u64,
    base: Option<(SnapshotRef, Inodes)>,
    roots: Vec<SnapshotRef>,
}

impl Bench {
    pub fn new() -> Bench {
        Bench::with(Arc::new(MemoryObjects::default()), SnapshotOptions::default())
    }

    pub fn with(store: Arc<MemoryObjects>, options: SnapshotOptions) -> Bench {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let keys = TenantKeys::from_data_key(TenantId::embedded(), [7; 32]);
        let snapshots = Snapshots::new(store.clone(), keys, runtime.handle().clone(), options);
        let layer = layer().inodes();
        let tree = Tree::new(layer.clone(), ROOM);
        Bench { store, snapshots, layer, runtime, tree, lsn: 0, base: None, roots: Vec::new() }
    }

    pub fn live(&self) -> Inodes {
        self.tree.snapshot()
    }

    fn lsn(&self) -> Lsn {
        Lsn(self.lsn + self.tree.log().newest().0)
    }

    /// Stores the live tree as what differs from the last checkpoint.
    pub fn checkpoint(&mut self) -> SnapshotRef {
        let after = self.live();
        let (base, before) = match &self.base {
            Some((base, before)) => (Some(base.clone()), before.clone()),
            None => (None, self.layer.clone()),
        };
        let write = self.snapshots.write(base.as_ref(), &before, &after, &self.layer, self.lsn());
        let root = self.runtime.block_on(write).unwrap();
        self.base = Some((root.clone(), after));
        self.roots.push(root.clone());
        root
    }

    pub fn write_full(&self, tree: &Inodes) -> SnapshotRef {
        let write = self.snapshots.write(None, &self.layer, tree, &self.layer, self.lsn().max(Lsn(1)));
        self.runtime.block_on(write).unwrap()
    }

    pub fn read(&self, root: &SnapshotRef) -> (Delta, Arc<dyn Blobs>) {
        self.runtime.block_on(self.snapshots.read(root)).unwrap()
    }

    /// The tree of a snapshot.
    pub fn wake(&self, root: &SnapshotRef) -> Inodes {
        let (delta, blobs) = self.read(root);
        apply(&self.layer, &delta, &blobs).unwrap()
    }

    /// Goes on with a tree that was woken from `root`.
    pub fn resume(&mut self, tree: Inodes, root: &SnapshotRef) {
        self.lsn = root.lsn().0;
        self.base = Some((root.clone(), tree.clone()));
        self.tree = Tree::new(tree, ROOM);
    }

    /// Goes back to an older tree, in place.
    pub fn go_back(&mut self, tree: Inodes) {
        self.lsn = self.lsn().0 + 1;
        self.tree = Tree::new(tree, ROOM);
    }

    pub fn verify(&self, root: &SnapshotRef) -> Report {
        self.runtime.block_on(self.snapshots.verify(root)).unwrap()
    }

    pub fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    pub fn packs(&self) -> usize {
        self.store.with(|objects| objects.len())
    }

    pub fn stored_bytes(&self) -> u64 {
        self.store.with(|objects| objects.values().map(|(bytes, _)| bytes.len() as u64).sum())
    }

    /// References of a snapshot, counted by walking it: a snapshot written anew of the same tree counts its own.
    pub fn count_refs(&self, root: &SnapshotRef) -> u64 {
        self.block_on(self.snapshots.count_refs(root)).unwrap()
    }

    pub fn file(&mut self, name: &[u8], bytes: &[u8]) -> Ino {
        let content = Content::File(Default::default());
        let ino = self.tree.create(ROOT_INO, &name.into(), content, birth(1, 0o644)).unwrap();
        self.write(ino, 0, bytes);
        ino
    }

    pub fn write(&mut self, ino: Ino, offset: u64, bytes: &[u8]) {
        let mut done = 0;
        while done < bytes.len() {
            let at = offset + done as u64;
            done += loading(|| self.tree.write(ino, at, &bytes[done..], Timestamp(5)));
        }
    }

    pub fn link(&mut self, ino: Ino, name: &[u8]) {
        self.tree.link(ino, ROOT_INO, &name.into(), Timestamp(3)).unwrap();
    }

    pub fn unlink(&mut self, name: &[u8]) {
        let ino = self.tree.unlink(ROOT_INO, name, Timestamp(9)).unwrap();
        if self.tree.inode(ino).is_ok_and(|inode| inode.links == 0) {
            self.tree.forget(ino);
        }
    }

    /// Does it if it can be done.
    pub fn apply(&mut self, op: &Op, time: i64) {
        let now = Timestamp(time * 1000);
        let birth = birth(time, 0o640);
        match op {
            Op::File(at, name) => self.create(*at, name, Content::File(Default::default()), birth),
            Op::Directory(at, name) => {
                let empty = Directory { entries: Default::default(), parent: ROOT_INO };
                self.create(*at, name, Content::Directory(empty), birth);
            }
            Op::Symlink(at, name, len) => {
                self.create(*at, name, Content::Symlink(vec![b'x'; *len as usize].into()), birth)
            }
            Op::Special(at, name, kind) => {
                let content = match kind {
                    0 => Content::Fifo,
                    1 => Content::Socket,
                    2 => Content::Character(time as u64),
                    _ => Content::Block(u64::MAX - time as u64),
                };
                self.create(*at, name, content, birth);
            }
            Op::Write(at, offset, count, seed) => {
                if let Some(ino) = self.pick(*at, |content| matches!(content, Content::File(_))) {
                    self.write(ino, *offset, &noise(*count as usize, *seed));
                }
            }
            Op::Cut(at, len) => {
                if let Some(ino) = self.pick(*at, |content| matches!(content, Content::File(_))) {
                    loading(|| self.tree.set_len(ino, *len, now));
                }
            }
            Op::Punch(at, offset, count) => {
                if let Some(ino) = self.pick(*at, |content| matches!(content, Content::File(_))) {
                    loading(|| self.tree.punch(ino, *offset, *count, now));
                }
            }
            Op::Link(at, to, name) => {
                if let Some(ino) = self.pick(*at, |content| !matches!(content, Content::Directory(_))) {
                    let _ = self.tree.link(ino, self.folder(*to), &name.as_slice().into(), now);
                }
            }
            Op::Rename(at, to, name) => {
                if let Some((from, old)) = self.entry(*at) {
                    let name: Name = name.as_slice().into();
                    let target = self.tree.lookup(self.folder(*to), &name).ok();
                    if self.tree.rename((from, &old), (self.folder(*to), &name), false, now).is_ok() {
                        target.into_iter().for_each(|ino| self.forget(ino));
                    }
                }
            }
            Op::Unlink(at) => {
                if let Some((from, name)) = self.entry(*at) {
                    let gone = self.tree.unlink(from, &name, now).or_else(|_| self.tree.rmdir(from, &name, now));
                    gone.into_iter().for_each(|ino| self.forget(ino));
                }
            }
            Op::Attributes(at, bits) => {
                if let Some(ino) = self.pick(*at, |_| true) {
                    self.tree.set_attributes(ino, |inode| {
                        inode.mode = Mode::new(*bits);
                        inode.uid = Uid(*bits >> 3);
                        inode.gid = Gid(!*bits);
                    });
                }
            }
            Op::Xattr(at, name, len) => {
                if let Some(ino) = self.pick(*at, |_| true) {
                    let mut xattrs = self.tree.inode(ino).unwrap().xattrs.clone();
                    xattrs.insert([b'u', b'.', *name].as_slice().into(), noise(*len as usize, *name).into());
                    let _ = self.tree.set_xattrs(ino, xattrs, now);
                }
            }
            Op::ReadTime(at) => {
                if let Some(ino) = self.pick(*at, |_| true) {
                    self.tree.touch_read(ino, now);
                }
            }
            Op::Unnamed(seed) => {
                let ino = self.tree.create_unnamed(Content::File(Default::default()), birth).unwrap();
                self.write(ino, 0, &noise(5000, *seed));
            }
            Op::Checkpoint => {
                self.checkpoint();
            }
            Op::Wake => {
                let root = self.checkpoint();
                let tree = self.wake(&root);
                assert_same(&self.layer, &self.live(), &tree);
                self.resume(tree, &root);
            }
            Op::Back(which) => {
                if !self.roots.is_empty() {
                    let root = self.roots[*which as usize % self.roots.len()].clone();
                    let tree = self.wake(&root);
                    self.go_back(tree);
                }
            }
        }
    }

    fn create(&mut self, at: u8, name: &[u8], content: Content, birth: Birth) {
        let _ = self.tree.create(self.folder(at), &name.into(), content, birth);
    }

    fn forget(&mut self, ino: Ino) {
        if self.tree.inode(ino).is_ok_and(|inode| inode.links == 0) {
            self.tree.forget(ino);
        }
    }

    fn pick(&self, at: u8, of: impl Fn(&Content) -> bool) -> Option<Ino> {
        let inodes: Vec<Ino> = self
            .tree
            .inodes()
            .iter()
            .filter(|(_, inode)| inode.links > 0 && of(&inode.content))
            .map(|(ino, _)| ino)
            .collect();
        // The newest first: they are what a session works on.
        inodes.iter().rev().nth(at as usize % inodes.len().max(1)).copied()
    }

    fn folder(&self, at: u8) -> Ino {
        self.pick(at, |content| matches!(content, Content::Directory(_))).unwrap_or(ROOT_INO)
    }

    fn entry(&self, at: u8) -> Option<(Ino, Name)> {
        let mut all = Vec::new();
        for (ino, inode) in self.tree.inodes().iter() {
            if let Content::Directory(directory) = &inode.content {
                all.extend(directory.entries.iter().map(|(name, _)| (ino, name.clone())));
            }
        }
        all.iter().rev().nth(at as usize % all.len().max(1)).cloned()
    }
}

fn birth(time: i64, mode: u32) -> Birth {
    Birth { mode: Mode::new(mode), uid: Uid(1000), gid: Gid(100), now: Timestamp(time) }
}

/// Bytes that do not compress, the same for a seed.
pub fn noise(count: usize, seed: u8) -> Vec<u8> {
    let mut state = u64::from(seed) + 0x9e37_79b9_7f4a_7c15;
    let mut bytes = Vec::with_capacity(count);
    while bytes.len() < count {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(count);
    bytes
}

/// Repeats a step, loading what it asks for.
pub fn loading<T>(mut step: impl FnMut() -> Step<T>) -> T {
    loop {
        match step() {
            Ok(value) => return value,
            Err(Halt::Fetch(fetch)) => match *fetch {
                Fetch::Blob(blob) => blob.load().unwrap(),
                other => panic!("{other:?}"),
            },
            Err(halt) => panic!("{halt:?}"),
        }
    }
}

/// Two trees are one, to everything a guest could ask, and to what is charged for them, as a session that wakes has them.
pub fn assert_same(layer: &Inodes, one: &Inodes, two: &Inodes) {
    let [one, two] = [one, two].map(|tree| tree.clone().without_unnamed(layer));
    assert_eq!(one.len(), two.len());
    for ((ino, one), (other, two)) in one.iter().zip(two.iter()) {
        assert_eq!(ino, other);
        assert_eq!(one.stat(1, ino), two.stat(1, ino));
        assert_eq!(one.xattrs, two.xattrs, "{ino:?}");
        assert_eq!(one.charged(), two.charged(), "{ino:?}");
        assert_eq!((one.lsn == Lsn::ZERO), (two.lsn == Lsn::ZERO), "{ino:?}");
        match (&one.content, &two.content) {
            (Content::File(one), Content::File(two)) => {
                let base = |file: &warren_kernel::extent::FileBytes| file.base().map(|(blob, seen)| (blob.id(), seen));
                assert_eq!(base(one), base(two), "{ino:?}");
                assert_eq!(one.blocks().len(), two.blocks().len(), "{ino:?}");
                for ((index, one), (other, two)) in one.blocks().iter().zip(two.blocks().iter()) {
                    assert_eq!(index, other, "{ino:?}");
                    assert!(bytes(one) == bytes(two), "{ino:?} block {index}");
                }
            }
            (Content::Directory(one), Content::Directory(two)) => {
                assert_eq!((&one.entries, one.parent), (&two.entries, two.parent), "{ino:?}");
            }
            (Content::Symlink(one), Content::Symlink(two)) => assert_eq!(one, two),
            (one, two) => assert_eq!(one.kind(), two.kind()),
        }
    }
    let used = |tree: &Inodes| Tree::new(tree.clone(), ROOM).used();
    assert_eq!(used(&one), used(&two));
}

fn bytes(block: &Block) -> Option<Vec<u8>> {
    match block {
        Block::Data(data) => Some(data.to_vec()),
        Block::Stored(blob) => {
            blob.load().unwrap();
            Some(blob.bytes().unwrap().to_vec())
        }
        Block::Zero => None,
    }
}
