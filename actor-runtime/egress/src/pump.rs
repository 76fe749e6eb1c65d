//! Moving the bytes of one connection, both ways, until it has ended.
//!
//! ```text
//! FarEnd::receive ─▶ a chunk ─▶ pace ─▶ TcpStream        ends: the guest's end ─▶ FIN
//! FarEnd::send    ◀─ pace ◀─ a chunk ◀─ TcpStream        ends: FIN ─▶ the guest's end
//! ```
//! Nothing is read before what was read is written, so neither side runs ahead of the other by more than a chunk and the
//! buffers of their sockets. While nothing comes there is no chunk.

use crate::metrics;
use crate::pace::{Direction, Pace};
use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio_util::sync::CancellationToken;
use warren_kernel::Errno;
use warren_kernel::socket::egress::FarEnd;

/// Bytes moved in one go, at most.
const CHUNK: usize = 64 * 1024;
/// How long what a guest sent before it was gone may take to be sent on.
const LINGER: Duration = Duration::from_secs(30);

/// What a session moved, each way.
#[derive(Debug, Default)]
pub(crate) struct Moved {
    pub(crate) sent: AtomicU64,
    pub(crate) received: AtomicU64,
}

/// How a connection ended.
#[derive(Debug)]
enum Over {
    /// Both sides said their last.
    Finished,
    /// The guest is gone, and all it sent is sent on.
    Left,
    /// It is broken off towards both sides.
    Broken,
}

/// Moves bytes until both sides have ended, one is gone, or it is cancelled.
pub(crate) async fn pump(end: FarEnd, mut stream: TcpStream, pace: &Pace, moved: &Moved, cancel: CancellationToken) {
    match run(&end, &mut stream, pace, moved, &cancel).await {
        Over::Finished | Over::Left => {}
        Over::Broken => {
            // The other side learns that this was no end.
            let _ = stream.set_zero_linger();
            end.reset();
        }
    }
}

async fn run(end: &FarEnd, stream: &mut TcpStream, pace: &Pace, moved: &Moved, cancel: &CancellationToken) -> Over {
    let (read, write) = stream.split();
    let mut up = pin!(upwards(end, write, pace, &moved.sent));
    let mut down = pin!(downwards(end, read, pace, &moved.received));
    let mut closed = pin!(end.closed());
    let mut linger = pin!(tokio::time::sleep(LINGER));
    let (mut up_done, mut down_done, mut is_closed) = (false, false, false);
    loop {
        if up_done && (down_done || is_closed) {
            return if is_closed { Over::Left } else { Over::Finished };
        }
        tokio::select! {
            biased;
            () = cancel.cancelled() => return Over::Broken,
            ended = &mut up, if !up_done => match ended {
                Ok(()) => up_done = true,
                Err(_) => return Over::Broken,
            },
            ended = &mut down, if !down_done => match ended {
                Ok(()) => down_done = true,
                // Nobody is there to take it; what was sent before goes on.
                Err(Stopped::Guest) => down_done = true,
                Err(Stopped::World) => return Over::Broken,
            },
            () = &mut closed, if !is_closed => {
                is_closed = true;
                linger.as_mut().reset(tokio::time::Instant::now() + LINGER);
            }
            () = &mut linger, if is_closed => return Over::Broken,
        }
    }
}

/// Who ended a direction before its end.
#[derive(Debug)]
enum Stopped {
    Guest,
    World,
}

async fn upwards(end: &FarEnd, mut write: WriteHalf<'_>, pace: &Pace, sent: &AtomicU64) -> Result<(), Stopped> {
    loop {
        let mut chunk = Vec::new();
        if end.receive(CHUNK, &mut chunk).await.map_err(|_| Stopped::Guest)? == 0 {
            return write.shutdown().await.map_err(|_| Stopped::World);
        }
        let mut rest = &chunk[..];
        while !rest.is_empty() {
            let count = pace.take(Direction::Sent, rest.len()).await;
            write.write_all(&rest[..count]).await.map_err(|_| Stopped::World)?;
            count_bytes(sent, metrics::SENT, count);
            rest = &rest[count..];
        }
    }
}

async fn downwards(end: &FarEnd, read: ReadHalf<'_>, pace: &Pace, received: &AtomicU64) -> Result<(), Stopped> {
    loop {
        read.readable().await.map_err(|_| Stopped::World)?;
        let mut chunk = Vec::with_capacity(CHUNK);
        match read.try_read_buf(&mut chunk) {
            Ok(0) => {
                end.finish();
                return Ok(());
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(_) => return Err(Stopped::World),
        }
        let mut rest = &chunk[..];
        while !rest.is_empty() {
            let count = pace.take(Direction::Received, rest.len()).await;
            count_bytes(received, metrics::RECEIVED, count);
            end.send_all(&rest[..count]).await.map_err(|_: Errno| Stopped::Guest)?;
            rest = &rest[count..];
        }
    }
}

fn count_bytes(of: &AtomicU64, direction: &'static str, count: usize) {
    of.fetch_add(count as u64, Ordering::Relaxed);
    ::metrics::counter!(metrics::BYTES, "direction" => direction).increment(count as u64);
}
