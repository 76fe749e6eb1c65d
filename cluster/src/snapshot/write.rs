//! From two trees to a snapshot: what changed, page by page, then the nodes above.

use super::blobs::Memo;
use super::chunk::{self, ChunkId, ChunkRef, Kind, NODE_BYTES_MAX, PackId};
use super::format::{self, Content, PAGE_BITS, Page, Record};
use super::pack::{self, PackBuilder};
use super::radix::Radix;
use super::reference::{PackTable, SnapshotRef};
use super::{Shared, SnapshotError, directory, lock};
use bytes::Bytes;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use warren_kernel::host::Timestamp;
use warren_kernel::id::{Ino, Lsn};
use warren_kernel::vfs::change::delta_between;
use warren_kernel::vfs::inode::{Content as LiveContent, Inode};
use warren_kernel::vfs::inodes::Inodes;

/// Packs on their way to the store while the next is made.
const UPLOADS: usize = 2;
/// How much nicer a thread that writes a large snapshot is than the process: about a tenth of a guest's share when both
/// want one processor, guests being 5 nicer than the process themselves.
const BEHIND_GUESTS: i32 = 15;
/// Old pages fetched at once.
const PAGES_AT_ONCE: usize = 64;
/// Pages held back so that metadata lies together behind the data; about 10 KB each.
const PAGES_HELD: usize = 4096;

/// A snapshot in the making: one thread's.
pub(crate) struct Writer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) memo: Memo,
    table: PackTable,
    builder: Option<PackBuilder>,
    uploads: VecDeque<Receiver<Result<(), SnapshotError>>>,
    compressor: zstd::bulk::Compressor<'static>,
    /// Chunks of data this snapshot put or met.
    met: HashMap<ChunkId, ChunkRef>,
    /// Those it put.
    put: Vec<ChunkRef>,
    began: Timestamp,
    /// Whether it refers to chunks that others put, which are only sure to stay for so long.
    met_others: bool,
}

/// Stores what differs. On a blocking thread.
pub(crate) fn write(
    shared: &Arc<Shared>,
    base: Option<&SnapshotRef>,
    before: &Inodes,
    after: &Inodes,
    layer: &Inodes,
    lsn: Lsn,
) -> Result<SnapshotRef, SnapshotError> {
    // What a delta to itself says of a tree, in constant time.
    let next_ino = delta_between(after, after, lsn, lsn).next_ino;
    let empty = SnapshotRef::new(lsn, next_ino, 0, None, &PackTable::default());
    let (from, base) = base.map_or((layer, &empty), |base| (before, base));
    let mut changed: BTreeMap<u64, Vec<Ino>> = BTreeMap::new();
    from.map().diff(after.map(), Arc::ptr_eq, &mut |ino, _, _| {
        changed.entry(ino.0 >> PAGE_BITS).or_default().push(*ino);
    });
    let Some(last) = changed.keys().next_back() else { return Ok(base.at(lsn, next_ino)) };
    let mut writer = Writer::new(shared.clone(), base.table()?);
    let mut radix = Radix::to(&writer.shared, base, *last, changed.keys().copied())?;
    let trees = Trees { before: from, after, layer };
    let mut held = Vec::new();
    let pages: Vec<(u64, Vec<Ino>)> = changed.into_iter().collect();
    for pages in pages.chunks(PAGES_AT_ONCE) {
        let refs: Vec<Option<ChunkRef>> = pages.iter().map(|(number, _)| radix.page(*number)).collect();
        let present: Vec<ChunkRef> = refs.iter().flatten().copied().collect();
        let mut old = writer.shared.fetch_all(Kind::Page, &present)?.into_iter();
        for ((number, inos), at) in pages.iter().zip(refs) {
            let page = match at.as_ref().zip(at.and_then(|_| old.next())) {
                Some((at, plain)) => decode_page(&plain, at, *number)?,
                None => Page { number: *number, ..Page::default() },
            };
            held.push((at, writer.page(page, inos, &trees)?));
            if held.len() == PAGES_HELD {
                writer.put_pages(&mut held, &mut radix)?;
            }
        }
    }
    writer.put_pages(&mut held, &mut radix)?;
    let top = radix.finish(&mut writer)?;
    let height = if top.is_some() { radix.height() } else { 0 };
    let table = writer.finish()?;
    Ok(SnapshotRef::new(lsn, next_ino, height, top, &table))
}

/// The page of this number, or why it is none.
pub(crate) fn decode_page(plain: &[u8], at: &ChunkRef, number: u64) -> Result<Page, SnapshotError> {
    let page: Page = format::decode(plain, at)?;
    let inside = |ino: &u64| ino >> PAGE_BITS == number;
    let in_order = page.inodes.windows(2).all(|two| two[0].ino < two[1].ino);
    if page.number != number
        || !in_order
        || page.inodes.len() + page.gone.len() > 1 << PAGE_BITS
        || !page.inodes.iter().map(|record| &record.ino).chain(&page.gone).all(inside)
    {
        return Err(at.damaged("it is not the page of inodes it is named as"));
    }
    Ok(page)
}

struct Trees<'a> {
    before: &'a Inodes,
    after: &'a Inodes,
    layer: &'a Inodes,
}

impl Writer {
    pub(crate) fn new(shared: Arc<Shared>, table: PackTable) -> Writer {
        for row in table.rows().filter(|row| row.bytes > 0) {
            lock(&shared.sizes).insert(row.pack, row.bytes, 1);
        }
        let began = (shared.options.now)();
        Writer {
            shared,
            memo: Memo::default(),
            table,
            builder: None,
            uploads: VecDeque::new(),
            compressor: chunk::compressor(),
            met: HashMap::new(),
            put: Vec::new(),
            began,
            met_others: false,
        }
    }

    /// Nanoseconds that chunks of others may be referred to after they were put, and that a snapshot may take from there
    /// until it is in a record.
    fn fresh(&self) -> i64 {
        i64::try_from(self.shared.options.grace.as_nanos() / 2).unwrap_or(i64::MAX)
    }

    /// Brings a page to the present.
    fn page(&mut self, mut page: Page, inos: &[Ino], trees: &Trees<'_>) -> Result<Page, SnapshotError> {
        for ino in inos {
            let at = page.inodes.binary_search_by_key(&ino.0, |record| record.ino);
            let old = at.ok().map(|at| page.inodes.remove(at));
            page.gone.retain(|gone| gone != &ino.0);
            let layer = trees.layer.get(*ino);
            // A file without a name too: it may get one yet, and what the journal then says of it builds on what is here.
            // Who brings the session up again leaves out what has none still.
            match trees.after.get(*ino) {
                Some(after) if layer.is_some_and(|layer| Arc::ptr_eq(layer, after)) => self.drop_record(old)?,
                Some(after) => {
                    let before = trees.before.get(*ino).map(|inode| &**inode);
                    let record = self.record(*ino, after, before, old, layer.map(|inode| &**inode))?;
                    page.inodes.insert(at.unwrap_or_else(|at| at), record);
                }
                None => {
                    self.drop_record(old)?;
                    if layer.is_some() {
                        page.gone.push(ino.0);
                        page.gone.sort_unstable();
                    }
                }
            }
        }
        Ok(page)
    }

    fn record(
        &mut self,
        ino: Ino,
        after: &Inode,
        before: Option<&Inode>,
        old: Option<Record>,
        layer: Option<&Inode>,
    ) -> Result<Record, SnapshotError> {
        let old_xattrs = old.as_ref().map(|old| old.xattrs_at.clone()).unwrap_or_default();
        let (xattrs, xattrs_at) = self.xattrs(after, &old_xattrs)?;
        let old = old.map(|old| old.content);
        let content = match &after.content {
            LiveContent::File(bytes) => {
                let known = match (before.map(|before| &before.content), old) {
                    (Some(LiveContent::File(before)), Some(Content::File(old))) => Some((before, old)),
                    (_, old) => {
                        self.drop_content(old)?;
                        None
                    }
                };
                Content::File(self.file(ino, bytes, known)?)
            }
            LiveContent::Directory(own) => {
                let below = match layer.map(|layer| &layer.content) {
                    Some(LiveContent::Directory(below)) => Some(&below.entries),
                    _ => None,
                };
                let old = match old {
                    Some(Content::Directory(old)) => old.names_at,
                    other => {
                        self.drop_content(other)?;
                        Vec::new()
                    }
                };
                let (names, names_at) = self.outside(Kind::Names, directory::names(&own.entries, below), &old)?;
                Content::Directory(format::Directory { parent: own.parent.0, names, names_at })
            }
            other => {
                self.drop_content(old)?;
                match other {
                    LiveContent::Symlink(target) => Content::Symlink(target.to_vec().into()),
                    LiveContent::Fifo => Content::Fifo,
                    LiveContent::Socket => Content::Socket,
                    LiveContent::Character(rdev) => Content::Character(*rdev),
                    LiveContent::Block(rdev) => Content::Block(*rdev),
                    LiveContent::File(_) | LiveContent::Directory(_) => unreachable!("matched above"),
                }
            }
        };
        Ok(Record {
            ino: ino.0,
            mode: after.mode.bits(),
            uid: after.uid.0,
            gid: after.gid.0,
            links: after.links,
            times: [after.atime.0, after.mtime.0, after.ctime.0],
            xattrs,
            xattrs_at,
            content,
        })
    }

    /// Counts out all that a record referred to.
    fn drop_record(&mut self, old: Option<Record>) -> Result<(), SnapshotError> {
        let Some(old) = old else { return Ok(()) };
        old.xattrs_at.iter().for_each(|at| self.count_out(at));
        self.drop_content(Some(old.content))
    }

    fn drop_content(&mut self, old: Option<Content>) -> Result<(), SnapshotError> {
        match old {
            Some(Content::File(file)) => self.drop_file(file),
            Some(Content::Directory(directory)) => {
                directory.names_at.iter().for_each(|at| self.count_out(at));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Stores pages and enters them in the nodes above.
    fn put_pages(&mut self, pages: &mut Vec<(Option<ChunkRef>, Page)>, radix: &mut Radix) -> Result<(), SnapshotError> {
        for (old, page) in pages.drain(..) {
            let is_empty = page.inodes.is_empty() && page.gone.is_empty();
            let at = self.replace(Kind::Page, old, (!is_empty).then(|| format::encode(&page)), page.number)?;
            radix.set(0, page.number, at);
        }
        Ok(())
    }

    /// Stores a page or node in place of an old one.
    pub(super) fn replace(
        &mut self,
        kind: Kind,
        old: Option<ChunkRef>,
        plain: Option<Vec<u8>>,
        number: u64,
    ) -> Result<Option<ChunkRef>, SnapshotError> {
        if plain.as_ref().is_some_and(|plain| plain.len() > NODE_BYTES_MAX) {
            return Err(SnapshotError::TooLarge(number));
        }
        let at = plain.map(|plain| self.put_meta(kind, &plain, old.as_slice())).transpose()?;
        if let Some(old) = &old {
            self.count_out(old);
        }
        Ok(at)
    }

    /// Stores a chunk of metadata, unless it is one of `old`, and counts it in.
    pub(crate) fn put_meta(&mut self, kind: Kind, plain: &[u8], old: &[ChunkRef]) -> Result<ChunkRef, SnapshotError> {
        let id = ChunkId::of(&self.shared.keys, plain);
        let at = match old.iter().find(|old| old.id == id) {
            Some(old) => *old,
            None => self.add(kind, id, plain)?,
        };
        self.count_in(&at);
        Ok(at)
    }

    /// Stores a chunk of data, unless it is there. The caller counts what it uses of it.
    pub(crate) fn put_data(&mut self, plain: &[u8]) -> Result<ChunkRef, SnapshotError> {
        let id = ChunkId::of(&self.shared.keys, plain);
        if let Some(met) = self.met.get(&id) {
            return Ok(*met);
        }
        let known = lock(&self.shared.known).get(&id);
        let at = match known {
            Some((at, time)) if self.began.0.saturating_sub(time.0) < self.fresh() => at,
            _ => return self.put_anew(plain),
        };
        self.met_others = true;
        self.met.insert(id, at);
        Ok(at)
    }

    /// Stores a chunk of data whether it is known or not, unless this writer did.
    pub(crate) fn put_anew(&mut self, plain: &[u8]) -> Result<ChunkRef, SnapshotError> {
        let id = ChunkId::of(&self.shared.keys, plain);
        if let Some(met) = self.met.get(&id) {
            return Ok(*met);
        }
        let at = self.add(Kind::Data, id, plain)?;
        self.put.push(at);
        self.met.insert(id, at);
        Ok(at)
    }

    fn add(&mut self, kind: Kind, id: ChunkId, plain: &[u8]) -> Result<ChunkRef, SnapshotError> {
        let body = chunk::pack_up(&mut self.compressor, plain);
        let builder = match &mut self.builder {
            Some(builder) => builder,
            None => self.builder.insert(PackBuilder::new((self.shared.options.pack_ids)()?)),
        };
        let at = builder.add(&self.shared.keys, kind, id, plain.len() as u32, &body);
        if builder.is_complete() {
            // A pack's worth is long: what is left leaves the processor to guests. A small snapshot, which somebody may
            // wait for, keeps its priority.
            if behind_guests().is_err() {
                tracing::debug!("a snapshot's thread keeps its priority");
            }
            self.upload()?;
        }
        Ok(at)
    }

    /// Counts a reference to all of a chunk.
    pub(crate) fn count_in(&mut self, at: &ChunkRef) {
        self.count_part_in(at, at.stored.into());
    }

    pub(crate) fn count_out(&mut self, at: &ChunkRef) {
        self.table.sub(at.pack, at.stored.into());
    }

    /// Counts a reference to a chunk of which `bytes` are live.
    pub(crate) fn count_part_in(&mut self, at: &ChunkRef, bytes: u64) {
        let shared = &self.shared;
        self.table.add(at.pack, bytes, || lock(&shared.sizes).get(&at.pack).unwrap_or(0));
    }

    pub(crate) fn count_part_out(&mut self, at: &ChunkRef, bytes: u64) {
        self.table.sub(at.pack, bytes);
    }

    /// Sends the pack off; waits for an earlier one when too many are on their way.
    fn upload(&mut self) -> Result<(), SnapshotError> {
        let Some(builder) = self.builder.take() else { return Ok(()) };
        let (id, len) = (builder.id(), builder.len() as u64);
        lock(&self.shared.sizes).insert(id, len, 1);
        self.table.set_bytes(id, len);
        while self.uploads.len() >= UPLOADS {
            self.await_upload()?;
        }
        let (sender, receiver) = sync_channel(1);
        let shared = self.shared.clone();
        let bytes = Bytes::from(builder.finish());
        self.shared.handle.spawn(async move {
            // Nobody waits any more when another pack failed.
            let _ = sender.send(upload(&shared, id, bytes).await);
        });
        self.uploads.push_back(receiver);
        Ok(())
    }

    fn await_upload(&mut self) -> Result<(), SnapshotError> {
        match self.uploads.pop_front() {
            Some(upload) => upload.recv().map_err(|_| SnapshotError::Stopped)?,
            None => Ok(()),
        }
    }

    /// Waits until all is in the store, and gives the table.
    pub(crate) fn finish(mut self) -> Result<PackTable, SnapshotError> {
        self.upload()?;
        while !self.uploads.is_empty() {
            self.await_upload()?;
        }
        let took = (self.shared.options.now)().0.saturating_sub(self.began.0);
        if self.met_others && took >= self.fresh() {
            return Err(SnapshotError::TooSlow);
        }
        self.table.settle();
        // The sizes of packs were not known while they grew.
        let unknown: Vec<PackId> = self.table.rows().filter(|row| row.bytes == 0).map(|row| row.pack).collect();
        for pack in unknown {
            let size = lock(&self.shared.sizes).get(&pack).unwrap_or(0);
            self.table.set_bytes(pack, size);
        }
        let mut known = lock(&self.shared.known);
        self.put.iter().for_each(|at| known.insert(at.id, (*at, self.began), 1));
        drop(known);
        Ok(self.table)
    }
}

/// Puts the calling thread behind those that run guests.
fn behind_guests() -> rustix::io::Result<()> {
    // The number of the process is its first thread's, whose priority nobody changes.
    let nice = rustix::process::getpriority_process(Some(rustix::process::getpid()))?;
    rustix::process::setpriority_process(None, nice + BEHIND_GUESTS)
}

/// Puts a pack. One that is there already was put by an attempt whose answer was lost.
async fn upload(shared: &Shared, id: PackId, bytes: Bytes) -> Result<(), SnapshotError> {
    let key = pack::key(shared.keys.tenant(), id);
    if shared.store.put_if_absent(&key, bytes.clone()).await? || shared.store.get(&key).await? == Some(bytes) {
        return Ok(());
    }
    Err(super::objects::ObjectError::Corrupt { key, reason: "another pack has its name".to_owned() }.into())
}
