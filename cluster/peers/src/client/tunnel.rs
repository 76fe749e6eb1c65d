//! A stream of bytes both ways inside a connection.

use crate::client::connection::poll_room;
use bytes::{Buf, Bytes};
use h2::{Reason, RecvStream, SendStream};
use std::any::Any;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes of one write, at most.
const PART: usize = 16 * 1024;

/// Such a stream. Shutting it down ends what this side sends; dropping it before its end resets it.
pub struct Tunnel {
    send: SendStream<Bytes>,
    stream: RecvStream,
    left: Bytes,
    shut: bool,
    _held: Box<dyn Any + Send>,
}

impl Tunnel {
    pub(crate) fn new(send: SendStream<Bytes>, stream: RecvStream, held: Box<dyn Any + Send>) -> Tunnel {
        Tunnel { send, stream, left: Bytes::new(), shut: false, _held: held }
    }
}

impl fmt::Debug for Tunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tunnel").field("shut", &self.shut).finish_non_exhaustive()
    }
}

impl AsyncRead for Tunnel {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        while self.left.is_empty() {
            match ready!(self.stream.poll_data(cx)) {
                Some(Ok(data)) => self.left = data,
                Some(Err(error)) => return Poll::Ready(Err(io::Error::new(io::ErrorKind::ConnectionReset, error))),
                None => return Poll::Ready(Ok(())),
            }
        }
        let length = self.left.len().min(buf.remaining());
        buf.put_slice(&self.left[..length]);
        self.left.advance(length);
        let _ = self.stream.flow_control().release_capacity(length);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Tunnel {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let wanted = bytes.len().min(PART);
        let over = || io::Error::from(io::ErrorKind::BrokenPipe);
        let room = ready!(poll_room(&mut self.send, wanted, cx)).ok_or_else(over)?;
        let part = Bytes::copy_from_slice(&bytes[..wanted.min(room)]);
        let length = part.len();
        self.send.send_data(part, false).map_err(|_| over())?;
        Poll::Ready(Ok(length))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.shut {
            self.shut = true;
            // An error here says that it is over already.
            let _ = self.send.send_data(Bytes::new(), true);
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        if !self.shut {
            self.send.send_reset(Reason::CANCEL);
        }
    }
}
