//! Getting chunks back: through the cache, and those that lie side by side in one request.

use super::chunk::{self, ChunkId, ChunkRef, Kind, PackId};
use super::{Shared, SnapshotError, lock, pack};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream;
use std::future::Future;
use std::ops::Range;
use std::sync::Arc;

/// Bytes between two chunks that are fetched along rather than asked for apart.
const GAP_BYTES: u64 = 32 * 1024;
/// Bytes of one request, unless one chunk has more.
const REQUEST_BYTES: u64 = 4 << 20;
/// Requests under way at once, for one caller.
const REQUESTS: usize = 8;
/// Bytes of chunks that are fetched at once, so that a long list does not fill memory.
const BATCH_BYTES: u64 = 32 << 20;

/// A chunk's plain bytes, or why they cannot be had.
type Fetched = Result<Arc<Vec<u8>>, SnapshotError>;

/// Chunks side by side.
struct Request {
    pack: PackId,
    range: Range<u64>,
    /// Their positions in the caller's list.
    members: Vec<usize>,
}

impl Shared {
    /// The plain bytes of one chunk.
    pub(crate) fn fetch(self: &Arc<Self>, kind: Kind, at: &ChunkRef) -> Result<Arc<Vec<u8>>, SnapshotError> {
        let mut plain = None;
        self.fetch_each(kind, std::slice::from_ref(at), &mut |_, got| {
            plain = Some(got?);
            Ok(())
        })?;
        plain.ok_or(SnapshotError::Stopped)
    }

    /// The plain bytes of chunks, all of them or an error.
    pub(crate) fn fetch_all(
        self: &Arc<Self>,
        kind: Kind,
        refs: &[ChunkRef],
    ) -> Result<Vec<Arc<Vec<u8>>>, SnapshotError> {
        let mut all = vec![None; refs.len()];
        self.fetch_each(kind, refs, &mut |index, got| {
            all[index] = Some(got?);
            Ok(())
        })?;
        all.into_iter().map(|plain| plain.ok_or(SnapshotError::Stopped)).collect()
    }

    /// Gives each chunk, or why it cannot be had, to `take`, in any order; ends at its first error. On a blocking thread
    /// only.
    pub(crate) fn fetch_each(
        self: &Arc<Self>,
        kind: Kind,
        refs: &[ChunkRef],
        take: &mut dyn FnMut(usize, Fetched) -> Result<(), SnapshotError>,
    ) -> Result<(), SnapshotError> {
        let mut missing = Vec::new();
        for (index, at) in refs.iter().enumerate() {
            if let Err(error) = at.check(kind) {
                take(index, Err(error))?;
                continue;
            }
            let cached = lock(&self.cache).get(&(kind, at.pack, at.offset));
            match cached {
                Some(plain) => take(index, self.checked(at, plain))?,
                None => missing.push(index),
            }
        }
        missing.sort_by_key(|index| (refs[*index].pack, refs[*index].offset));
        let mut requests = side_by_side(refs, &missing).into_iter().peekable();
        while requests.peek().is_some() {
            let mut bytes = 0;
            let mut batch = Vec::new();
            while let Some(request) =
                requests.next_if(|next| batch.is_empty() || bytes + (next.range.end - next.range.start) <= BATCH_BYTES)
            {
                bytes += request.range.end - request.range.start;
                batch.push(request);
            }
            let this = self.clone();
            let answers = self.wait(async move {
                stream::iter(batch)
                    .map(|request| {
                        let this = this.clone();
                        async move {
                            let key = pack::key(this.keys.tenant(), request.pack);
                            let got = this.store.get_range(&key, request.range.clone()).await;
                            (request, got)
                        }
                    })
                    .buffered(REQUESTS)
                    .collect::<Vec<_>>()
                    .await
            })?;
            for (request, got) in answers {
                let got = match got {
                    Ok(Some(bytes)) => Ok(bytes),
                    Ok(None) => Err(SnapshotError::Missing { pack: request.pack }),
                    Err(error) => Err(error.into()),
                };
                for index in &request.members {
                    let at = &refs[*index];
                    let opened = got.clone().and_then(|bytes| self.open(kind, at, &request, &bytes));
                    take(*index, opened)?;
                }
            }
        }
        Ok(())
    }

    /// The chunk of metadata at a place whose reference is not at hand: it is authenticated, not compared with an id.
    pub(crate) fn fetch_node(
        self: &Arc<Self>,
        kind: Kind,
        pack: PackId,
        offset: u32,
        stored: u32,
    ) -> Result<(ChunkRef, Arc<Vec<u8>>), SnapshotError> {
        let at = ChunkRef { id: ChunkId([0; 32]), pack, offset, stored, len: 0 };
        at.check(kind)?;
        let cached = lock(&self.cache).get(&(kind, pack, offset));
        if let Some(plain) = cached {
            return Ok((at, plain));
        }
        let this = self.clone();
        let got = self.wait(async move {
            let key = pack::key(this.keys.tenant(), pack);
            this.store.get_range(&key, u64::from(offset)..at.end()).await
        })??;
        let bytes = got.ok_or(SnapshotError::Missing { pack })?;
        let plain = Arc::new(chunk::open(&self.keys, kind, pack, offset, &bytes)?);
        lock(&self.cache).insert((kind, pack, offset), plain.clone(), plain.len());
        Ok((at, plain))
    }

    /// Lets go of everything fetched before, so that it is read from the store again.
    pub(crate) fn forget_cached(&self) {
        let room = self.options.cache_bytes;
        *lock(&self.cache) = super::cache::Lru::new(room);
    }

    fn open(&self, kind: Kind, at: &ChunkRef, request: &Request, bytes: &Bytes) -> Result<Arc<Vec<u8>>, SnapshotError> {
        let from = (u64::from(at.offset) - request.range.start) as usize;
        let stored = bytes.get(from..from + at.stored as usize).ok_or_else(|| at.damaged("the pack ends before it"))?;
        let plain = chunk::open(&self.keys, kind, at.pack, at.offset, stored)?;
        let plain = self.checked(at, Arc::new(plain))?;
        if ChunkId::of(&self.keys, &plain) != at.id {
            return Err(at.damaged("its bytes are not those it is named by"));
        }
        lock(&self.cache).insert((kind, at.pack, at.offset), plain.clone(), plain.len());
        Ok(plain)
    }

    fn checked(&self, at: &ChunkRef, plain: Arc<Vec<u8>>) -> Result<Arc<Vec<u8>>, SnapshotError> {
        if plain.len() == at.len as usize {
            Ok(plain)
        } else {
            Err(at.damaged("it has not the length it is named with"))
        }
    }

    /// Waits on this thread for what runs on the runtime.
    pub(crate) fn wait<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, SnapshotError> {
        let (sender, receiver) = std::sync::mpsc::sync_channel(1);
        self.handle.spawn(async move {
            // Nobody waits any more only when the waiting thread is gone.
            let _ = sender.send(work.await);
        });
        receiver.recv().map_err(|_| SnapshotError::Stopped)
    }
}

/// Puts chunks, given in order of place, into requests.
fn side_by_side(refs: &[ChunkRef], sorted: &[usize]) -> Vec<Request> {
    let mut requests: Vec<Request> = Vec::new();
    for index in sorted {
        let at = &refs[*index];
        let start = u64::from(at.offset);
        match requests.last_mut() {
            Some(last)
                if last.pack == at.pack
                    && start <= last.range.end + GAP_BYTES
                    && at.end().saturating_sub(last.range.start) <= REQUEST_BYTES =>
            {
                last.range.end = last.range.end.max(at.end());
                last.members.push(*index);
            }
            _ => requests.push(Request { pack: at.pack, range: start..at.end(), members: vec![*index] }),
        }
    }
    requests
}
