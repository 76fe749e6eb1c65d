//! What waits in a socket to be received: a run of bytes, or messages.
//!
//! ```text
//! stream      [ bytes ....... | bytes ... ]     rights lie over a run of bytes: ~~~~~
//!                     ~~~~~~~~                  a receive that touches them takes them and stops where they end
//! datagram    [ message ] [ message ] [ message ]
//! ```
//! Memory is taken when bytes arrive and given back when they are taken, so an idle socket costs nothing here. What a
//! queue is charged with is what it has allocated, not what it holds.

use super::address::Name;
use crate::file::OpenId;
use std::collections::VecDeque;

/// Bytes one socket holds for its receiver (Linux's default net.core.rmem_default).
pub const BUFFER_BYTES: usize = 212_992;
/// Bytes a stream may hold even when the session's limit is reached: it then goes slowly, and never stops for good.
pub const STREAM_FLOOR: usize = 4096;
/// Bytes a message is charged with beside its own.
pub const MESSAGE_COST: usize = 128;

/// Allocated room a drained stream keeps: enough for small messages to and fro.
const KEPT_BYTES: usize = 512;
/// Slots a drained queue of messages keeps.
const KEPT_MESSAGES: usize = 4;

/// What a socket has yet to be asked for.
#[derive(Debug)]
pub(crate) enum Input {
    /// Of a stream.
    Bytes(ByteQueue),
    /// Of datagrams and sequenced packets.
    Messages(MessageQueue),
}

/// A run of bytes, and the rights that lie over parts of it.
#[derive(Debug, Default)]
pub(crate) struct ByteQueue {
    bytes: VecDeque<u8>,
    /// Bytes ever taken: the position of the first one here.
    taken: u64,
    parcels: VecDeque<Parcel>,
}

/// Rights sent with the bytes `start..end`.
#[derive(Debug)]
struct Parcel {
    start: u64,
    end: u64,
    rights: Vec<OpenId>,
}

/// One datagram.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) bytes: Box<[u8]>,
    pub(crate) from: Name,
    pub(crate) rights: Vec<OpenId>,
}

/// Messages in order.
#[derive(Debug, Default)]
pub(crate) struct MessageQueue {
    messages: VecDeque<Message>,
    bytes: usize,
    rights: usize,
}

impl Input {
    /// Bytes that wait, of messages those of the first (FIONREAD).
    pub(crate) fn waiting(&self) -> usize {
        match self {
            Input::Bytes(queue) => queue.bytes.len(),
            Input::Messages(queue) => queue.first().map_or(0, |message| message.bytes.len()),
        }
    }

    /// Bytes of memory it has.
    pub(crate) fn charge(&self) -> usize {
        match self {
            Input::Bytes(queue) => queue.bytes.capacity(),
            Input::Messages(queue) => queue.bytes + queue.messages.len() * MESSAGE_COST,
        }
    }

    /// Whether nothing is to be received.
    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Input::Bytes(queue) => queue.bytes.is_empty(),
            Input::Messages(queue) => queue.messages.is_empty(),
        }
    }

    /// Bytes to be received.
    pub(crate) fn len(&self) -> usize {
        match self {
            Input::Bytes(queue) => queue.bytes.len(),
            Input::Messages(queue) => queue.bytes,
        }
    }

    /// The rights that are in flight here.
    pub(crate) fn rights(&self) -> impl Iterator<Item = OpenId> + '_ {
        let (parcels, messages) = match self {
            Input::Bytes(queue) => (Some(&queue.parcels), None),
            Input::Messages(queue) => (None, Some(&queue.messages).filter(|_| queue.rights > 0)),
        };
        let parcels = parcels.into_iter().flatten().flat_map(|parcel| &parcel.rights);
        parcels.chain(messages.into_iter().flatten().flat_map(|message| &message.rights)).copied()
    }

    /// Takes the rights out and leaves the bytes.
    pub(crate) fn take_rights(&mut self) -> Vec<OpenId> {
        match self {
            Input::Bytes(queue) => queue.parcels.drain(..).flat_map(|parcel| parcel.rights).collect(),
            Input::Messages(queue) => {
                queue.rights = 0;
                queue.messages.iter_mut().flat_map(|message| std::mem::take(&mut message.rights)).collect()
            }
        }
    }
}

impl ByteQueue {
    /// Adds the first `count` bytes of `data`, with rights over all of them. `budget` is what memory may grow by beyond
    /// what these bytes need.
    pub(crate) fn push(&mut self, data: &[&[u8]], count: usize, rights: Vec<OpenId>, budget: usize) {
        let start = self.taken + self.bytes.len() as u64;
        if !rights.is_empty() {
            self.parcels.push_back(Parcel { start, end: start + count as u64, rights });
        }
        let (needed, held) = (self.bytes.len() + count, self.bytes.capacity());
        if needed > held {
            // Twice as much, so that many small writes do not each move what is there.
            let grown = (held * 2).min(BUFFER_BYTES).min(held.saturating_add(budget)).max(needed);
            self.bytes.reserve_exact(grown - self.bytes.len());
        }
        let mut left = count;
        for part in data {
            let count = part.len().min(left);
            self.bytes.extend(&part[..count]);
            left -= count;
        }
    }

    /// How many bytes a receive of up to `want` gets, and whether rights come with them.
    fn reach(&self, want: usize) -> (usize, bool) {
        let count = want.min(self.bytes.len());
        match self.parcels.front() {
            Some(parcel) if parcel.start < self.taken + count as u64 => {
                (count.min((parcel.end - self.taken) as usize), true)
            }
            _ => (count, false),
        }
    }

    /// Shows up to `want` bytes without taking them, and the rights that lie over them.
    pub(crate) fn peek(&self, want: usize, put: &mut dyn FnMut(&[u8])) -> (usize, &[OpenId]) {
        let (count, with_rights) = self.reach(want);
        let (front, back) = self.bytes.as_slices();
        let first = count.min(front.len());
        put(&front[..first]);
        if count > first {
            put(&back[..count - first]);
        }
        let rights = self.parcels.front().filter(|_| with_rights).map_or(&[][..], |parcel| &parcel.rights);
        (count, rights)
    }

    /// Takes up to `want` bytes, and the rights that lie over them.
    pub(crate) fn take(&mut self, want: usize, put: &mut dyn FnMut(&[u8])) -> (usize, Vec<OpenId>) {
        let (count, rights) = self.peek(want, put);
        let with_rights = !rights.is_empty();
        let rights =
            if with_rights { self.parcels.pop_front().map(|parcel| parcel.rights) } else { None }.unwrap_or_default();
        self.taken += count as u64;
        if count == self.bytes.len() {
            self.bytes.clear();
            self.bytes.shrink_to(KEPT_BYTES);
        } else {
            self.bytes.drain(..count);
            if self.bytes.len() < self.bytes.capacity() / 4 {
                self.bytes.shrink_to((self.bytes.len() * 2).max(STREAM_FLOOR));
            }
        }
        (count, rights)
    }
}

impl MessageQueue {
    /// Messages here.
    pub(crate) fn len(&self) -> usize {
        self.messages.len()
    }

    /// Whether one more message of `bytes` keeps within `messages_max` and the buffer. An empty queue takes any.
    pub(crate) fn has_room(&self, bytes: usize, messages_max: u64) -> bool {
        let count = self.messages.len();
        (count as u64) < messages_max.max(1)
            && (count == 0 || self.bytes + bytes + (count + 1) * MESSAGE_COST <= BUFFER_BYTES)
    }

    /// Adds one.
    pub(crate) fn push(&mut self, message: Message) {
        self.bytes += message.bytes.len();
        self.rights += message.rights.len();
        self.messages.push_back(message);
    }

    /// The oldest.
    pub(crate) fn first(&self) -> Option<&Message> {
        self.messages.front()
    }

    /// Takes the oldest.
    pub(crate) fn take(&mut self) -> Option<Message> {
        let message = self.messages.pop_front()?;
        self.bytes -= message.bytes.len();
        self.rights -= message.rights.len();
        if self.messages.is_empty() {
            self.messages.shrink_to(KEPT_MESSAGES);
        }
        Some(message)
    }
}

#[cfg(test)]
mod tests;
