//! Watches: what becomes of files, told through a descriptor (Linux's inotify).
//!
//! ```text
//! any call ─▶ log of changes ─▶ the lock is let go ─▶ who watches the inode, or its directory ─▶ queue ─▶ read()
//! ```
//! A queue is an open file, so it ends with its descriptor and is limited as those are. Nothing is done while nobody watches,
//! and what happened is told of the log's entries of one call: a name that is there now was made, one that is not was removed,
//! and two names in one call are a move.

use super::change::Change;
use super::memory::Tree;
use super::path::Found;
use super::{FileKind, Name, Node};
use crate::errno::Errno;
use crate::fetch::Call;
use crate::file::{OpenFile, Opened};
use crate::id::{Fd, Ino, Lsn, MountId};
use crate::kernel::Kernel;
use crate::policy::Domain;
use crate::user::Access;
use crate::vfs::open::At;
use crate::wait::{Halt, Step, WaitKey, Waiters};
use bitflags::bitflags;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

/// Queues of one session, at most.
pub const QUEUES_MAX: usize = 64;
/// Watches of one session, at most.
pub const WATCHES_MAX: usize = 16 * 1024;
/// Bytes of memory the events of one queue take; what happens beyond is lost, and that is told.
pub const QUEUE_BYTES_MAX: usize = 256 * 1024;

bitflags! {
    /// Linux's inotify events.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct WatchEvents: u32 {
        /// Bytes were written, or the length was set.
        const MODIFY = 0x2;
        /// Mode, owner, times, extended attributes or the count of names.
        const ATTRIB = 0x4;
        /// A name in the directory was moved away.
        const MOVED_FROM = 0x40;
        /// A name in the directory is what was moved.
        const MOVED_TO = 0x80;
        /// A name in the directory was made.
        const CREATE = 0x100;
        /// A name in the directory was removed.
        const DELETE = 0x200;
        /// What is watched is gone.
        const DELETE_SELF = 0x400;
        /// What is watched has another name.
        const MOVE_SELF = 0x800;
        /// Events were lost.
        const Q_OVERFLOW = 0x4000;
        /// The watch has ended.
        const IGNORED = 0x8000;
        /// It is about a directory.
        const ISDIR = 0x4000_0000;
    }
}

/// A queue's number in its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QueueId(pub u64);

/// A file that may be watched.
type Place = (MountId, Ino);

/// The queues of a session and what each watches.
#[derive(Debug, Default)]
pub(crate) struct Watchers {
    next: u64,
    queues: HashMap<QueueId, Queue>,
    by_place: HashMap<Place, Vec<(QueueId, i32)>>,
    watches: usize,
    /// How far the log of each tree in which something is watched was told.
    told: HashMap<MountId, Lsn>,
}

#[derive(Debug, Default)]
struct Queue {
    last: i32,
    watches: BTreeMap<i32, Watched>,
    events: VecDeque<Event>,
    bytes: usize,
}

#[derive(Debug)]
struct Watched {
    place: Place,
    directory: bool,
}

#[derive(Debug, PartialEq, Eq)]
struct Event {
    watch: i32,
    what: WatchEvents,
    /// The same for both names of a move.
    cookie: u32,
    name: Option<Name>,
}

/// Bytes of an event without its name: watch, events, cookie, and the length of what follows.
const HEAD: usize = 16;

impl Event {
    /// Of its name with the zeros behind it: as Linux, to a multiple of [`HEAD`].
    fn name_bytes(&self) -> usize {
        self.name.as_ref().map_or(0, |name| (name.len() + 1).next_multiple_of(HEAD))
    }

    fn bytes(&self) -> usize {
        HEAD + self.name_bytes()
    }

    /// Bytes of memory it takes.
    fn weight(&self) -> usize {
        size_of::<Event>() + HEAD + self.name_bytes()
    }

    fn put(&self, to: &mut Vec<u8>) {
        to.extend(self.watch.to_ne_bytes());
        to.extend(self.what.bits().to_ne_bytes());
        to.extend(self.cookie.to_ne_bytes());
        to.extend((self.name_bytes() as u32).to_ne_bytes());
        let end = to.len() + self.name_bytes();
        to.extend_from_slice(self.name.as_deref().unwrap_or_default());
        to.resize(end, 0);
    }
}

impl Queue {
    /// Adds an event, unless it is as the last one. Whether anybody is to be woken.
    fn push(&mut self, event: Event) -> bool {
        if self.events.back() == Some(&event) {
            return false;
        }
        if self.bytes + event.weight() <= QUEUE_BYTES_MAX {
            self.bytes += event.weight();
            self.events.push_back(event);
            return true;
        }
        let lost = Event { watch: -1, what: WatchEvents::Q_OVERFLOW, cookie: 0, name: None };
        if self.events.back() == Some(&lost) {
            return false;
        }
        self.bytes += lost.weight();
        self.events.push_back(lost);
        true
    }
}

impl Watchers {
    fn watch(&mut self, id: QueueId, place: Place, directory: bool) -> Result<i32, Errno> {
        let queue = self.queues.get_mut(&id).ok_or(Errno::EBADF)?;
        let by_place = self.by_place.entry(place).or_default();
        if let Some((_, watch)) = by_place.iter().find(|(other, _)| *other == id) {
            return Ok(*watch);
        }
        if self.watches >= WATCHES_MAX {
            if by_place.is_empty() {
                self.by_place.remove(&place);
            }
            return Err(Errno::ENOSPC);
        }
        queue.last = queue.last.checked_add(1).ok_or(Errno::ENOSPC)?;
        queue.watches.insert(queue.last, Watched { place, directory });
        by_place.push((id, queue.last));
        self.watches += 1;
        Ok(queue.last)
    }

    fn unwatch(&mut self, id: QueueId, watch: i32) -> Result<(), Errno> {
        let queue = self.queues.get_mut(&id).ok_or(Errno::EBADF)?;
        let Watched { place, .. } = queue.watches.remove(&watch).ok_or(Errno::EINVAL)?;
        self.watches -= 1;
        if let Some(by_place) = self.by_place.get_mut(&place) {
            by_place.retain(|other| *other != (id, watch));
            if by_place.is_empty() {
                self.by_place.remove(&place);
            }
        }
        if self.by_place.is_empty() {
            self.told.clear();
        }
        Ok(())
    }

    pub(crate) fn close(&mut self, id: QueueId) {
        let watches: Vec<i32> =
            self.queues.get(&id).map(|queue| queue.watches.keys().copied().collect()).unwrap_or_default();
        for watch in watches {
            let _ = self.unwatch(id, watch);
        }
        self.queues.remove(&id);
        if self.queues.is_empty() {
            *self = Watchers { next: self.next, ..Watchers::default() };
        }
    }

    pub(crate) fn has_events(&self, id: QueueId) -> bool {
        self.queues.get(&id).is_some_and(|queue| !queue.events.is_empty())
    }
}

/// What one call did to a tree, told to who watches it.
struct Telling<'a> {
    mount: MountId,
    tree: &'a Tree,
    watchers: &'a mut Watchers,
    waiters: &'a mut Waiters,
    cookie: u32,
}

impl Telling<'_> {
    fn tell(&mut self, ino: Ino, what: WatchEvents, name: Option<&Name>) {
        let Some(by_place) = self.watchers.by_place.get(&(self.mount, ino)) else { return };
        let moves = WatchEvents::MOVED_FROM | WatchEvents::MOVED_TO;
        let cookie = if what.intersects(moves) { self.cookie } else { 0 };
        for (id, watch) in by_place {
            let Some(queue) = self.watchers.queues.get_mut(id) else { continue };
            if queue.push(Event { watch: *watch, what, cookie, name: name.cloned() }) {
                self.waiters.wake(WaitKey::Watch(id.0));
            }
        }
    }

    /// A file or directory changed in itself: its directory is told, and then itself.
    fn changed(&mut self, ino: Ino, what: WatchEvents, tells_directory: bool) {
        let Ok(inode) = self.tree.inode(ino) else { return };
        let is_directory = inode.kind() == FileKind::Directory;
        let what = if is_directory { what | WatchEvents::ISDIR } else { what };
        if tells_directory
            && inode.links > 0
            && let Some(place) = self.tree.inodes().place_of(ino)
        {
            self.tell(place.directory, what, Some(&place.name));
        }
        self.tell(ino, what, None);
    }

    /// An inode that is gone, or has one name less.
    fn lost(&mut self, ino: Ino, unlinked: bool) {
        let Some(by_place) = self.watchers.by_place.get(&(self.mount, ino)).cloned() else { return };
        let directory = |(id, watch): &(QueueId, i32)| {
            self.watchers.queues.get(id).and_then(|queue| queue.watches.get(watch)).is_some_and(|one| one.directory)
        };
        let is_directory = by_place.first().is_some_and(directory);
        if unlinked && !is_directory {
            self.tell(ino, WatchEvents::ATTRIB, None);
        }
        if self.tree.inode(ino).is_err() {
            self.tell(ino, WatchEvents::DELETE_SELF, None);
            self.tell(ino, WatchEvents::IGNORED, None);
            for (id, watch) in by_place {
                let _ = self.watchers.unwatch(id, watch);
            }
        }
    }

    fn named(&mut self, directory: Ino, name: &Name, moves: bool) {
        let now = self.tree.lookup(directory, name).ok();
        let mut what = match (now, moves) {
            (Some(_), true) => WatchEvents::MOVED_TO,
            (None, true) => WatchEvents::MOVED_FROM,
            (Some(_), false) => WatchEvents::CREATE,
            (None, false) => WatchEvents::DELETE,
        };
        if now.is_some_and(|ino| self.tree.directory(ino).is_ok()) {
            what |= WatchEvents::ISDIR;
        }
        self.tell(directory, what, Some(name));
    }

    /// Everything since `since`.
    fn all(&mut self, since: Lsn) {
        let tree = self.tree;
        let Ok(changes) = tree.log().since(since) else { return self.too_much() };
        let changes: Vec<(Lsn, &Change)> = changes.collect();
        // Where each name is spoken of last: one that is removed to be replaced comes again.
        let mut last: HashMap<(Ino, &Name), usize> = HashMap::new();
        // A name that changes touches its directory next, which is no change of the directory's own.
        let mut touched: HashSet<(Lsn, Ino)> = HashSet::new();
        for (at, (lsn, change)) in changes.iter().enumerate() {
            if let Change::Name(directory, name) = change {
                last.insert((*directory, name), at);
                touched.insert((lsn.next(), *directory));
            }
        }
        let moves = last.len() > 1;
        let new: HashSet<Ino> =
            last.keys().filter_map(|(directory, name)| tree.lookup(*directory, name).ok()).collect();
        let is_of_inodes = |change: &Change| !matches!(change, Change::Name(..));
        // As Linux: a file hears first that it has a name more or less, and of a move the names are told first.
        let names_first = moves || changes.iter().any(|(_, change)| matches!(change, Change::Data(..)));
        for inodes in [!names_first, names_first] {
            for (at, (lsn, change)) in
                changes.iter().enumerate().filter(|(_, (_, change))| is_of_inodes(change) == inodes)
            {
                match change {
                    Change::Accessed(_) => {}
                    Change::Name(directory, name) => {
                        if last.get(&(*directory, name)) == Some(&at) {
                            self.named(*directory, name, moves);
                        }
                    }
                    Change::Data(ino, ..) => self.changed(*ino, WatchEvents::MODIFY, true),
                    Change::Inode(ino) if touched.contains(&(*lsn, *ino)) => {}
                    Change::Inode(ino) if new.contains(ino) => {
                        let what = if moves { WatchEvents::MOVE_SELF } else { WatchEvents::ATTRIB };
                        self.changed(*ino, what, false);
                    }
                    Change::Inode(ino) if tree.inode(*ino).is_ok_and(|inode| inode.links > 0) => {
                        self.changed(*ino, WatchEvents::ATTRIB, last.is_empty());
                    }
                    Change::Inode(ino) => self.lost(*ino, !last.is_empty()),
                }
            }
        }
    }

    /// More changed in one call than the log lists.
    fn too_much(&mut self) {
        for (id, queue) in &mut self.watchers.queues {
            let lost = Event { watch: -1, what: WatchEvents::Q_OVERFLOW, cookie: 0, name: None };
            if queue.push(lost) {
                self.waiters.wake(WaitKey::Watch(id.0));
            }
        }
    }
}

impl Kernel {
    /// A queue of events that watches nothing yet (inotify_init1()).
    ///
    /// # Errors
    /// `EMFILE` also at [`QUEUES_MAX`]; `ENFILE`.
    pub fn open_watch(&mut self, call: &Call, nonblock: bool, close_on_exec: bool) -> Result<Fd, Errno> {
        let fd = self.free_fd(call.pid, Fd(0))?;
        if self.watchers.queues.len() >= QUEUES_MAX {
            return Err(Errno::EMFILE);
        }
        let id = QueueId(self.watchers.next);
        let mut file = OpenFile::new(Opened::Watch(id), true, false);
        file.nonblock = nonblock;
        let open = self.add_open(call.pid, file)?;
        self.watchers.next += 1;
        self.watchers.queues.insert(id, Queue::default());
        self.install(call.pid, fd, open, close_on_exec)
    }

    /// Watches a file, or a directory and the names in it (inotify_add_watch() for every event of [`WatchEvents`]). The number
    /// of the watch; of what is watched already the same. In what is no tree of the kernel's own nothing is ever seen.
    ///
    /// # Errors
    /// `EBADF`, `EINVAL` for what is no queue; `ENOSPC` at [`WATCHES_MAX`]; `EACCES` for what may not be read; those of a path.
    pub fn add_watch(&mut self, call: &mut Call, fd: Fd, path: &[u8], follow: bool) -> Step<i32> {
        let id = self.queue(call, fd)?;
        let found: Found = self.walk(call, At::Cwd, path, follow)?;
        self.permit_found(call, Domain::Read, &found)?;
        let node = found.existing()?;
        self.check_access(call, &node, Access::READ)?;
        let Node::Tree(mount, ino) = node else {
            // A number nobody has: no inode is 0.
            return Ok(self.watchers.watch(id, (node.mount().unwrap_or(MountId::ROOT), Ino(0)), false)?);
        };
        let tree = self.mounts.tree(mount).ok_or(Errno::EIO)?;
        let directory = tree.directory(ino).is_ok();
        let watch = self.watchers.watch(id, (mount, ino), directory)?;
        self.watchers.told.entry(mount).or_insert(tree.log().newest());
        Ok(watch)
    }

    /// Ends a watch (inotify_rm_watch()); what was told of it stays to be read.
    ///
    /// # Errors
    /// `EBADF`; `EINVAL` for what is no queue or no watch of it.
    pub fn remove_watch(&mut self, call: &Call, fd: Fd, watch: i32) -> Result<(), Errno> {
        let id = self.queue(call, fd)?;
        self.watchers.unwatch(id, watch)
    }

    fn queue(&self, call: &Call, fd: Fd) -> Result<QueueId, Errno> {
        let open = self.process(call.pid)?.descriptors.get(fd)?.open;
        match self.files.get(open)?.what {
            Opened::Watch(id) => Ok(id),
            _ => Err(Errno::EINVAL),
        }
    }

    /// As many events as there is room for: each as Linux's struct inotify_event.
    pub(crate) fn read_watch(
        &mut self,
        id: QueueId,
        nonblock: bool,
        want: usize,
        put: &mut dyn FnMut(&[u8]),
    ) -> Step<usize> {
        let queue = self.watchers.queues.get_mut(&id).ok_or(Errno::EBADF)?;
        if queue.events.is_empty() {
            return Err(if nonblock { Halt::Fail(Errno::EAGAIN) } else { Halt::on(WaitKey::Watch(id.0)) });
        }
        let mut bytes = Vec::new();
        while let Some(event) = queue.events.pop_front_if(|event| bytes.len() + event.bytes() <= want) {
            queue.bytes -= event.weight();
            event.put(&mut bytes);
        }
        if bytes.is_empty() {
            return Err(Errno::EINVAL.into());
        }
        put(&bytes);
        Ok(bytes.len())
    }

    /// Tells who watches what changed. Called as the lock is let go.
    pub(crate) fn tell_watchers(&mut self) {
        if self.watchers.told.is_empty() {
            return;
        }
        let Kernel { mounts, watchers, waiters, .. } = self;
        let behind = |(mount, told): (&MountId, &Lsn)| {
            let tree = mounts.tree(*mount)?;
            (tree.log().newest() > *told).then_some((*mount, *told, tree))
        };
        let behind: Vec<(MountId, Lsn, &Tree)> = watchers.told.iter().filter_map(behind).collect();
        for (mount, since, tree) in behind {
            let newest = tree.log().newest();
            let cookie = (newest.0 as u32).max(1);
            Telling { mount, tree, watchers: &mut *watchers, waiters: &mut *waiters, cookie }.all(since);
            if let Some(told) = watchers.told.get_mut(&mount) {
                *told = newest;
            }
        }
    }
}
