//! Connecting to one of some addresses: the first that answers, each a little after the one before.
//!
//! # Standard
//! After RFC 8305 (happy eyeballs), over addresses in the order the resolver gave them.

use std::future::pending;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::sleep;
use warren_kernel::Errno;

/// How long connecting takes, at most, over all addresses.
pub(crate) const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// When the next address is tried while the one before has not answered.
const NEXT_AFTER: Duration = Duration::from_millis(250);
/// Addresses that are tried, at most.
pub(crate) const ADDRESSES_MAX: usize = 6;

/// Connects to the first of these that answers.
///
/// # Errors
/// Why the last one did not; `ETIMEDOUT` when it took too long.
pub(crate) async fn dial(addresses: Vec<SocketAddr>) -> Result<(TcpStream, SocketAddr), Errno> {
    tokio::time::timeout(CONNECT_WITHIN, first(addresses)).await.unwrap_or(Err(Errno::ETIMEDOUT))
}

async fn first(addresses: Vec<SocketAddr>) -> Result<(TcpStream, SocketAddr), Errno> {
    let mut left = addresses.into_iter().take(ADDRESSES_MAX);
    let mut attempts = JoinSet::new();
    let mut failed = Errno::EHOSTUNREACH;
    loop {
        if let Some(to) = left.next() {
            attempts.spawn(async move { Ok((connect(to).await?, to)) });
        } else if attempts.is_empty() {
            return Err(failed);
        }
        let is_last = left.len() == 0;
        let next = async { if is_last { pending().await } else { sleep(NEXT_AFTER).await } };
        tokio::select! {
            () = next => {}
            ended = attempts.join_next() => match ended {
                Some(Ok(Ok(connected))) => return Ok(connected),
                Some(Ok(Err(error))) => failed = errno(&error),
                Some(Err(_)) | None => {}
            }
        }
    }
}

async fn connect(to: SocketAddr) -> io::Result<TcpStream> {
    let socket = if to.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // Nobody else notices when the other side is gone without a word.
    socket.set_keepalive(true)?;
    socket.set_nodelay(true)?;
    socket.connect(to).await
}

/// What a guest is told of a failure outside.
fn errno(error: &io::Error) -> Errno {
    match error.kind() {
        ErrorKind::ConnectionRefused => Errno::ECONNREFUSED,
        ErrorKind::ConnectionReset => Errno::ECONNRESET,
        ErrorKind::NetworkUnreachable => Errno::ENETUNREACH,
        ErrorKind::TimedOut => Errno::ETIMEDOUT,
        ErrorKind::PermissionDenied => Errno::EACCES,
        ErrorKind::AddrNotAvailable => Errno::EADDRNOTAVAIL,
        _ if is_short_of_descriptors(error) => Errno::ENOBUFS,
        _ => Errno::EHOSTUNREACH,
    }
}

/// EMFILE, ENFILE: this machine has no more.
fn is_short_of_descriptors(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(23 | 24))
}
