//! One direction of one connection.

use crate::Weather;
use bytes::{Bytes, BytesMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

/// Bytes that are read at once.
const PART: usize = 8 * 1024;
/// Parts that wait to be written.
const PARTS: usize = 32;

/// How a direction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pumped {
    /// Its reader said that it was all.
    Ended,
    /// One of the two is gone.
    Broken,
}

type Ways = (watch::Receiver<Weather>, watch::Receiver<Weather>, Arc<AtomicU64>);

/// Moves bytes until their end.
pub(crate) async fn pump<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(from: R, to: W, ways: Ways) -> Pumped {
    let (all, own, moved) = ways;
    let (queue, queued) = mpsc::channel(PARTS);
    let read = read(from, (all.clone(), own.clone()), queue);
    let write = write(to, (all, own), queued, moved);
    tokio::pin!(read, write);
    tokio::select! {
        written = &mut write => written,
        // A reader that broke ends the queue; what is in it is written, as far as that goes.
        read = &mut read => match write.await {
            Pumped::Ended => read,
            Pumped::Broken => Pumped::Broken,
        },
    }
}

async fn read<R: AsyncRead + Unpin>(
    mut from: R,
    (all, own): (watch::Receiver<Weather>, watch::Receiver<Weather>),
    queue: mpsc::Sender<(Instant, Bytes)>,
) -> Pumped {
    loop {
        let mut part = BytesMut::with_capacity(PART);
        match from.read_buf(&mut part).await {
            Ok(0) => return Pumped::Ended,
            Ok(_) => {}
            Err(_) => return Pumped::Broken,
        }
        let due = Instant::now() + both(&all, &own).latency;
        if queue.send((due, part.freeze())).await.is_err() {
            return Pumped::Broken;
        }
    }
}

async fn write<W: AsyncWrite + Unpin>(
    mut to: W,
    (mut all, mut own): (watch::Receiver<Weather>, watch::Receiver<Weather>),
    mut queued: mpsc::Receiver<(Instant, Bytes)>,
    moved: Arc<AtomicU64>,
) -> Pumped {
    while let Some((due, mut part)) = queued.recv().await {
        tokio::time::sleep_until(due).await;
        while !part.is_empty() {
            let weather = both(&all, &own);
            if weather.stalled {
                tokio::select! {
                    changed = all.changed() => if changed.is_err() { return Pumped::Broken },
                    changed = own.changed() => if changed.is_err() { return Pumped::Broken },
                }
                continue;
            }
            let now = match weather.bytes_per_s {
                None => part.split_to(part.len()),
                Some(rate) => {
                    let tick = usize::try_from(rate / 100).unwrap_or(usize::MAX).clamp(1, PART);
                    let now = part.split_to(tick.min(part.len()));
                    // As long as these bytes take, at least: rates below 100 bytes a second too.
                    let length = Duration::from_nanos(now.len() as u64 * 1_000_000_000 / rate.max(1));
                    tokio::time::sleep(length).await;
                    now
                }
            };
            let length = now.len() as u64;
            if to.write_all(&now).await.is_err() {
                return Pumped::Broken;
            }
            moved.fetch_add(length, Ordering::SeqCst);
        }
    }
    // The other side hears of the end; one that is gone needs not.
    let _ = to.shutdown().await;
    Pumped::Ended
}

fn both(all: &watch::Receiver<Weather>, own: &watch::Receiver<Weather>) -> Weather {
    let (all, own) = (*all.borrow(), *own.borrow());
    let slower = match (all.bytes_per_s, own.bytes_per_s) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    };
    Weather { latency: all.latency.max(own.latency), bytes_per_s: slower, stalled: all.stalled || own.stalled }
}
