//! Random changes of a tree against a simple model, and what must hold of a tree at any time.

use super::*;
use crate::blob::Blob;
use crate::id::{Gid, Uid};
use crate::pmap::PMap;
use crate::vfs::change::InodeImage;
use crate::vfs::inodes::ROOT_INO;
use crate::vfs::layer::{Attributes, Layer, LayerBuilder};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// One random change. Directories and files are chosen by an index into those that are there.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Create(usize, u8),
    Mkdir(usize, u8),
    Symlink(usize, u8),
    Unnamed,
    Link(usize, usize, u8),
    /// With `true` the inode goes at once, else somebody has it open.
    Unlink(usize, u8, bool),
    Rmdir(usize, u8, bool),
    Rename(usize, u8, usize, u8, bool),
    Exchange(usize, u8, usize, u8),
    Write(usize, u64, usize),
    SetLen(usize, u64),
    Punch(usize, u64, u64),
    Chmod(usize, u32),
    Xattr(usize, u8, usize),
    Read(usize),
    /// Whoever had unnamed inodes open closes them.
    ForgetAll,
}

pub(crate) fn op() -> impl Strategy<Value = Op> {
    let dir = || 0..6usize;
    let name = || 0..4u8;
    let offset = || prop_oneof![0..300_000u64, (0..5u64).prop_map(|block| block * 65_536)];
    prop_oneof![
        3 => (dir(), name()).prop_map(|(dir, name)| Op::Create(dir, name)),
        3 => (dir(), name()).prop_map(|(dir, name)| Op::Mkdir(dir, name)),
        1 => (dir(), name()).prop_map(|(dir, name)| Op::Symlink(dir, name)),
        1 => Just(Op::Unnamed),
        2 => (0..9usize, dir(), name()).prop_map(|(file, dir, name)| Op::Link(file, dir, name)),
        3 => (dir(), name(), any::<bool>()).prop_map(|(dir, name, last)| Op::Unlink(dir, name, last)),
        2 => (dir(), name(), any::<bool>()).prop_map(|(dir, name, last)| Op::Rmdir(dir, name, last)),
        4 => (dir(), name(), dir(), name(), prop::bool::weighted(0.8))
            .prop_map(|(from, old, to, new, replace)| Op::Rename(from, old, to, new, replace)),
        2 => (dir(), name(), dir(), name()).prop_map(|(one, first, two, second)| Op::Exchange(one, first, two, second)),
        4 => (0..9usize, offset(), 0..70_000usize).prop_map(|(file, at, len)| Op::Write(file, at, len)),
        2 => (0..9usize, offset()).prop_map(|(file, len)| Op::SetLen(file, len)),
        1 => (0..9usize, offset(), 1..200_000u64).prop_map(|(file, at, len)| Op::Punch(file, at, len)),
        1 => (0..9usize, 0..0o1000u32).prop_map(|(file, mode)| Op::Chmod(file, mode)),
        1 => (0..9usize, name(), 0..9_000usize).prop_map(|(file, name, len)| Op::Xattr(file, name, len)),
        1 => (0..9usize).prop_map(Op::Read),
        1 => Just(Op::ForgetAll),
    ]
}

/// Two directories and three files, one of them with shared bytes.
pub(crate) fn layer() -> Arc<Layer> {
    let plain = Attributes { mode: 0o644, uid: 0, gid: 0, mtime_seconds: 1 };
    let mut builder = LayerBuilder::new();
    builder.directory("/a", Attributes { mode: 0o755, ..plain }).unwrap();
    builder.directory("/a/b", Attributes { mode: 0o755, ..plain }).unwrap();
    builder.file("/a/c", plain, Blob::loaded((0..150_000u32).map(|at| at as u8).collect())).unwrap();
    builder.text("/b", plain, b"text").unwrap();
    builder.symlink("/a/b/d", "../c", plain).unwrap();
    builder.build()
}

pub(crate) fn tree() -> Tree {
    Tree::new(layer().inodes(), Quota { bytes: 1 << 20, inodes: 20 })
}

fn name(index: u8) -> Name {
    Arc::from([b'a' + index])
}

fn birth() -> Birth {
    Birth { mode: Mode::new(0o644), uid: Uid(1), gid: Gid(2), now: Timestamp(1) }
}

fn directories(tree: &Tree) -> Vec<Ino> {
    tree.inodes().iter().filter(|(_, inode)| inode.kind() == FileKind::Directory).map(|(ino, _)| ino).collect()
}

fn pick(list: &[Ino], index: usize) -> Ino {
    list[index % list.len()]
}

fn any_inode(tree: &Tree, index: usize) -> Ino {
    pick(&tree.inodes().iter().map(|(ino, _)| ino).collect::<Vec<_>>(), index)
}

fn a_file(tree: &Tree, index: usize) -> Option<Ino> {
    let files: Vec<Ino> =
        tree.inodes().iter().filter(|(_, inode)| inode.kind() == FileKind::Regular).map(|(ino, _)| ino).collect();
    (!files.is_empty()).then(|| pick(&files, index))
}

fn drop_now(tree: &mut Tree, result: Result<Option<Ino>, Errno>, at_once: bool) -> Result<(), Errno> {
    if let Some(ino) = result?.filter(|_| at_once) {
        tree.forget(ino);
    }
    Ok(())
}

/// Does `op`, whatever comes of it.
pub(crate) fn perform(tree: &mut Tree, op: &Op, now: Timestamp) -> Result<(), Errno> {
    let dirs = directories(tree);
    let plain = |step: Step<usize>| match step {
        Ok(_) => Ok(()),
        Err(crate::wait::Halt::Fail(errno)) => Err(errno),
        Err(other) => panic!("{other:?}"),
    };
    match op {
        Op::Create(dir, at) => {
            tree.create(pick(&dirs, *dir), &name(*at), Content::File(FileBytes::default()), birth()).map(|_| ())
        }
        Op::Mkdir(dir, at) => {
            let parent = pick(&dirs, *dir);
            let content = Content::Directory(Directory { entries: PMap::new(), parent });
            tree.create(parent, &name(*at), content, birth()).map(|_| ())
        }
        Op::Symlink(dir, at) => {
            let content = Content::Symlink(Arc::from(&b"a/b"[..]));
            tree.create(pick(&dirs, *dir), &name(*at), content, birth()).map(|_| ())
        }
        Op::Unnamed => tree.create_unnamed(Content::File(FileBytes::default()), birth()).map(|_| ()),
        Op::Link(file, dir, at) => tree.link(any_inode(tree, *file), pick(&dirs, *dir), &name(*at), now),
        Op::Unlink(dir, at, last) => {
            let gone = tree.unlink(pick(&dirs, *dir), &name(*at), now).map(Some);
            drop_now(tree, gone, *last)
        }
        Op::Rmdir(dir, at, last) => {
            let gone = tree.rmdir(pick(&dirs, *dir), &name(*at), now).map(Some);
            drop_now(tree, gone, *last)
        }
        Op::Rename(from, old, to, new, replace) => {
            let (from, to) = (pick(&dirs, *from), pick(&dirs, *to));
            let gone = tree.rename((from, &name(*old)), (to, &name(*new)), *replace, now);
            drop_now(tree, gone, true)
        }
        Op::Exchange(one, first, two, second) => {
            let (one, two) = (pick(&dirs, *one), pick(&dirs, *two));
            tree.exchange((one, &name(*first)), (two, &name(*second)), now)
        }
        Op::Write(file, at, len) => {
            let Some(ino) = a_file(tree, *file) else { return Ok(()) };
            plain(tree.write(ino, *at, &vec![now.0 as u8; *len], now))
        }
        Op::SetLen(file, len) => {
            a_file(tree, *file).map_or(Ok(()), |ino| plain(tree.set_len(ino, *len, now).map(|()| 0)))
        }
        Op::Punch(file, at, len) => {
            a_file(tree, *file).map_or(Ok(()), |ino| plain(tree.punch(ino, *at, *len, now).map(|()| 0)))
        }
        Op::Chmod(file, mode) => {
            tree.set_attributes(any_inode(tree, *file), |inode| inode.mode = Mode::new(*mode));
            Ok(())
        }
        Op::Xattr(file, at, len) => {
            let ino = any_inode(tree, *file);
            let mut xattrs = tree.inode(ino)?.xattrs.clone();
            if *len == 0 {
                xattrs.remove(&name(*at))
            } else {
                xattrs.insert(name(*at), vec![1; *len].into())
            };
            tree.set_xattrs(ino, xattrs, now)
        }
        Op::Read(file) => {
            tree.touch_read(any_inode(tree, *file), now);
            Ok(())
        }
        Op::ForgetAll => {
            tree.inodes().iter().map(|(ino, _)| ino).collect::<Vec<_>>().into_iter().for_each(|ino| tree.forget(ino));
            Ok(())
        }
    }
}

/// Everything a tree shows: of each inode its image, bytes and names.
type Dump = BTreeMap<Ino, (InodeImage, Vec<u8>, Vec<(Name, Ino)>)>;

/// Shows a tree, to compare two.
pub(crate) fn dump(inodes: &Inodes) -> Dump {
    inodes
        .iter()
        .map(|(ino, inode)| {
            let mut bytes = Vec::new();
            let mut names = Vec::new();
            match &inode.content {
                Content::File(file) => bytes = file.to_vec(1 << 30).unwrap(),
                Content::Directory(own) => names.extend(own.entries.iter().map(|(name, ino)| (name.clone(), *ino))),
                _ => {}
            }
            (ino, (InodeImage::of(ino, inode), bytes, names))
        })
        .collect()
}

/// What must hold of a tree at any time.
pub(crate) fn assert_sound(inodes: &Inodes) {
    let mut names: BTreeMap<Ino, u32> = BTreeMap::new();
    let mut subdirectories: BTreeMap<Ino, u32> = BTreeMap::new();
    for (at, inode) in inodes.iter() {
        assert!(at.0 < inodes.next, "{at:?} was given before {}", inodes.next);
        let Content::Directory(own) = &inode.content else { continue };
        for (name, child) in own.entries.iter() {
            let inode = inodes.get(*child).unwrap_or_else(|| panic!("{name:?} leads nowhere"));
            *names.entry(*child).or_default() += 1;
            if let Content::Directory(directory) = &inode.content {
                *subdirectories.entry(at).or_default() += 1;
                assert_eq!(directory.parent, at, "`..` of {child:?}");
                let place = inodes.place_of(*child).unwrap_or_else(|| panic!("{child:?} forgot its only name"));
                assert_eq!((place.directory, &place.name), (at, name));
            }
        }
    }
    for (ino, inode) in inodes.iter() {
        let named = names.get(&ino).copied().unwrap_or(0);
        let links = match inode.kind() {
            FileKind::Directory if named == 1 || ino == ROOT_INO => 2 + subdirectories.get(&ino).unwrap_or(&0),
            FileKind::Directory => {
                assert_eq!((named, subdirectories.get(&ino)), (0, None), "an unnamed directory is empty");
                0
            }
            _ => named,
        };
        assert_eq!(inode.links, links, "links of {ino:?}");
    }
    let reachable = reachable(inodes);
    for (ino, inode) in inodes.iter() {
        assert!(inode.links == 0 || reachable.contains(&ino), "{ino:?} has a name that nobody can walk to");
    }
    let owned: Vec<_> = inodes.iter().filter(|(_, inode)| inode.lsn != Lsn::ZERO).collect();
    assert_eq!(inodes.owned, owned.iter().map(|(_, inode)| inode.weight()).sum::<u64>(), "the book of inodes");
    assert_eq!(inodes.bytes, owned.iter().map(|(_, inode)| inode.charged()).sum::<u64>(), "the book of bytes");
}

fn reachable(inodes: &Inodes) -> BTreeSet<Ino> {
    let mut seen = BTreeSet::from([ROOT_INO]);
    let mut next = vec![ROOT_INO];
    while let Some(at) = next.pop() {
        if let Some(Content::Directory(own)) = inodes.get(at).map(|inode| &inode.content) {
            next.extend(own.entries.iter().map(|(_, child)| *child).filter(|child| seen.insert(*child)));
        }
    }
    seen
}

/// The same tree, done in the plainest way: what each name leads to, and each file's bytes.
#[derive(Clone, Debug, Default, PartialEq)]
struct Model {
    directories: BTreeMap<Ino, BTreeMap<Name, Ino>>,
    files: BTreeMap<Ino, Vec<u8>>,
}

impl Model {
    fn of(inodes: &Inodes) -> Model {
        let mut model = Model::default();
        for (ino, (image, bytes, names)) in dump(inodes) {
            match image.content {
                crate::vfs::change::ContentImage::Directory(_) => {
                    model.directories.insert(ino, names.into_iter().collect());
                }
                _ => {
                    model.files.insert(ino, bytes);
                }
            }
        }
        model
    }

    fn is_within(&self, ino: Ino, ancestor: Ino) -> bool {
        ino == ancestor
            || self
                .directories
                .iter()
                .any(|(at, names)| names.values().any(|child| *child == ino) && self.is_within(*at, ancestor))
    }

    /// What a rename must come to, from the rules of the manual page alone.
    fn rename(&mut self, from: (Ino, Name), to: (Ino, Name), replace: bool) -> Result<(), Errno> {
        let moved = *self.directories[&from.0].get(&from.1).ok_or(Errno::ENOENT)?;
        let is_directory = self.directories.contains_key(&moved);
        if is_directory && self.is_within(to.0, moved) {
            return Err(Errno::EINVAL);
        }
        match self.directories[&to.0].get(&to.1).copied() {
            Some(_) if !replace => return Err(Errno::EEXIST),
            Some(same) if same == moved => return Ok(()),
            Some(other) if self.is_within(from.0, other) => return Err(Errno::ENOTEMPTY),
            Some(other) => match (self.directories.get(&other), is_directory) {
                (Some(names), true) if !names.is_empty() => return Err(Errno::ENOTEMPTY),
                (Some(_), false) => return Err(Errno::EISDIR),
                (None, true) => return Err(Errno::ENOTDIR),
                _ => {}
            },
            None => {}
        }
        self.directories.get_mut(&from.0).unwrap().remove(&from.1);
        self.directories.get_mut(&to.0).unwrap().insert(to.1, moved);
        Ok(())
    }

    /// Drops what has no name.
    fn forget(&mut self) {
        let named: BTreeSet<Ino> = self.directories.values().flat_map(|names| names.values().copied()).collect();
        self.files.retain(|ino, _| named.contains(ino));
        self.directories.retain(|ino, _| *ino == ROOT_INO || named.contains(ino));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_tree_stays_sound_and_its_layer_untouched(ops in prop::collection::vec(op(), 1..60)) {
        let layer = layer();
        let before = dump(&layer.inodes());
        let mut tree = Tree::new(layer.inodes(), Quota { bytes: 1 << 20, inodes: 20 });
        let mut given = BTreeSet::new();
        for (at, op) in ops.iter().enumerate() {
            let (known, lsn) = (tree.inodes().next, tree.log().newest());
            let unchanged = tree.snapshot();
            let done = perform(&mut tree, op, Timestamp(at as i64 + 10));
            assert_sound(tree.inodes());
            prop_assert!(tree.inodes().bytes <= 1 << 20, "the quota of bytes");
            if done.is_err() {
                prop_assert!(dump(&unchanged) == dump(tree.inodes()), "{op:?} failed with {done:?} and changed something");
                prop_assert_eq!(tree.log().newest(), lsn, "a failure is no mutation");
            }
            for ino in known..tree.inodes().next {
                prop_assert!(given.insert(ino), "inode {ino} was given twice");
            }
        }
        prop_assert!(dump(&layer.inodes()) == before, "the layer changed");
    }

    #[test]
    fn renames_and_writes_agree_with_a_model(ops in prop::collection::vec(op(), 1..60)) {
        let mut tree = tree();
        for (at, op) in ops.iter().enumerate() {
            let mut model = Model::of(tree.inodes());
            let dirs = directories(&tree);
            let expected = match op {
                Op::Rename(from, old, to, new, replace) => {
                    let (from, to) = (pick(&dirs, *from), pick(&dirs, *to));
                    if tree.inode(to).unwrap().links == 0 {
                        continue; // Answered before a path leads there.
                    }
                    Some(model.rename((from, name(*old)), (to, name(*new)), *replace))
                }
                Op::Write(file, offset, len) => a_file(&tree, *file).map(|ino| {
                    let bytes = model.files.get_mut(&ino).unwrap();
                    if *len > 0 {
                        bytes.resize(bytes.len().max(*offset as usize + len), 0);
                        bytes[*offset as usize..*offset as usize + len].fill((at + 10) as u8);
                    }
                    Ok(())
                }),
                _ => None,
            };
            let used = tree.used().bytes;
            let done = perform(&mut tree, op, Timestamp(at as i64 + 10));
            let short = used + (1 << 18) > tree.quota().bytes; // A write may have been cut by the quota.
            if let Some(expected) = expected
                && !(short && matches!(op, Op::Write(..)))
            {
                prop_assert_eq!(done, expected, "{:?}", op);
                let mut is = Model::of(tree.inodes());
                is.forget();
                model.forget();
                prop_assert!(is == model, "{op:?}");
            }
        }
    }
}

#[test]
fn quotas_are_met_exactly_and_given_back() {
    let mut tree = Tree::new(layer().inodes(), Quota { bytes: 3 * 4096, inodes: 3 });
    let now = Timestamp(5);
    let one = tree.create(ROOT_INO, &name(5), Content::File(FileBytes::default()), birth()).unwrap();
    // The root counts too: it was changed.
    assert_eq!(tree.used(), Quota { bytes: 0, inodes: 2 });
    assert_eq!(tree.write(one, 100, &[1; 20_000], now).unwrap(), 3 * 4096 - 100, "what fits goes in");
    assert_eq!(tree.write(one, 5, &[2; 50], now).unwrap(), 50, "a full quota still takes what needs no room");
    let full = tree.write(one, 3 * 4096, b"x", now);
    assert!(matches!(full, Err(crate::wait::Halt::Fail(Errno::EDQUOT))));
    tree.set_len(one, 1, now).unwrap();
    assert_eq!(tree.used().bytes, 4096);
    let two = tree.create(ROOT_INO, &name(6), Content::File(FileBytes::default()), birth()).unwrap();
    let third = tree.create(ROOT_INO, &name(7), Content::File(FileBytes::default()), birth());
    assert_eq!(third, Err(Errno::EDQUOT));
    for at in [5, 6] {
        let ino = tree.unlink(ROOT_INO, &name(at), now).unwrap();
        tree.forget(ino);
    }
    assert_eq!(tree.used(), Quota { bytes: 0, inodes: 1 });
    assert!(tree.inode(two).is_err());
}

#[test]
fn an_unlinked_file_keeps_its_bytes_and_charge_until_it_is_forgotten() {
    let mut tree = tree();
    let ino = tree.create(ROOT_INO, &name(5), Content::File(FileBytes::default()), birth()).unwrap();
    tree.write(ino, 0, b"still here", Timestamp(2)).unwrap();
    tree.unlink(ROOT_INO, &name(5), Timestamp(3)).unwrap();
    assert_eq!(tree.file(ino).unwrap().len(), 10);
    assert_eq!(tree.used().bytes, 4096);
    tree.write(ino, 10, b"!", Timestamp(4)).unwrap();
    tree.forget(ino);
    assert_eq!(tree.used().bytes, 0);
    assert_sound(tree.inodes());
}

#[test]
fn a_write_far_out_or_too_far() {
    let mut tree = tree();
    let ino = tree.create(ROOT_INO, &name(5), Content::File(FileBytes::default()), birth()).unwrap();
    assert_eq!(tree.write(ino, FILE_SIZE_MAX - 1, b"x", Timestamp(2)).unwrap(), 1);
    let over = tree.write(ino, FILE_SIZE_MAX, b"x", Timestamp(2));
    assert!(matches!(over, Err(crate::wait::Halt::Fail(Errno::EFBIG))));
    assert!(matches!(tree.set_len(ino, FILE_SIZE_MAX + 1, Timestamp(2)), Err(crate::wait::Halt::Fail(Errno::EFBIG))));
    assert!(matches!(tree.set_len(ROOT_INO, 0, Timestamp(2)), Err(crate::wait::Halt::Fail(Errno::EISDIR))));
}

#[test]
fn set_id_bits_go_with_a_write() {
    let mut tree = tree();
    let ino = tree.create(ROOT_INO, &name(5), Content::File(FileBytes::default()), birth()).unwrap();
    for (before, after) in [(0o6755, 0o755), (0o6745, 0o2745), (0o4644, 0o644)] {
        tree.set_attributes(ino, |inode| inode.mode = Mode::new(before));
        tree.write(ino, 0, b"x", Timestamp(2)).unwrap();
        assert_eq!(tree.inode(ino).unwrap().mode, Mode::new(after));
    }
}
