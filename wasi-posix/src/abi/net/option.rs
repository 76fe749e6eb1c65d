//! Options of sockets.

use super::libc_socket::{DATAGRAM, SEQUENCED_PACKET, STREAM};
use super::{Done, socket};
use crate::abi::cx::Cx;
use crate::errno::wasi;
use crate::memory;
use std::time::Duration;
use warren_kernel::Errno;
use warren_kernel::socket::{BUFFER_BYTES, SocketKind, SocketOption};

/// An option the ABI names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Named {
    ReuseAddress,
    Type,
    Error,
    SendBuffer,
    ReceiveBuffer,
    KeepAlive,
    Linger,
    ReceiveTimeout,
    SendTimeout,
    Accepts,
    NoDelay,
    /// IP_TOS, IPV6_TCLASS: there is no packet to mark.
    Service,
}

/// The option of these numbers; SOL_SOCKET and the timeouts have two each.
fn named(level: u32, name: u32) -> Option<Named> {
    Some(match (level, name) {
        (1 | 0x7fff_ffff, 2) => Named::ReuseAddress,
        (1 | 0x7fff_ffff, 3) => Named::Type,
        (1 | 0x7fff_ffff, 4) => Named::Error,
        (1 | 0x7fff_ffff, 7) => Named::SendBuffer,
        (1 | 0x7fff_ffff, 8) => Named::ReceiveBuffer,
        (1 | 0x7fff_ffff, 9) => Named::KeepAlive,
        (1 | 0x7fff_ffff, 13) => Named::Linger,
        (1 | 0x7fff_ffff, 20 | 66) => Named::ReceiveTimeout,
        (1 | 0x7fff_ffff, 21 | 67) => Named::SendTimeout,
        (1 | 0x7fff_ffff, 30) => Named::Accepts,
        (6, 1) => Named::NoDelay,
        (0, 1) | (41, 67) => Named::Service,
        _ => return None,
    })
}

/// setsockopt(): SO_REUSEADDR, SO_LINGER, SO_RCVTIMEO; SO_KEEPALIVE, TCP_NODELAY and the packets' class are accepted
/// without an effect, their value being optional.
pub async fn net_setsockopt(cx: &mut Cx<'_>, fd: u32, level: u32, name: u32, value: u32, len: u32) -> Done {
    let fd = socket(cx, fd)?;
    let named = named(level, name).ok_or(Errno::EINVAL)?;
    let wanted = match named {
        Named::ReuseAddress => 4,
        Named::Linger => 8,
        Named::ReceiveTimeout => 16,
        Named::KeepAlive | Named::NoDelay | Named::Service => len.min(4) / 4 * 4,
        _ => return Err(Errno::EINVAL.into()),
    };
    if len < wanted {
        return Err(Errno::EINVAL.into());
    }
    cx.check(&[(value, wanted)])?;
    let memory = cx.memory();
    let first = if wanted == 0 { 1 } else { memory::get_u32(memory, value)? };
    let option = match named {
        Named::ReuseAddress => SocketOption::ReuseAddress(first != 0),
        Named::KeepAlive => SocketOption::KeepAlive(first != 0),
        Named::Linger => {
            let seconds = memory::get_u32(memory, value + 4)?;
            SocketOption::Linger((first != 0).then_some(seconds))
        }
        Named::ReceiveTimeout => {
            let (seconds, micros) = (memory::get_u64(memory, value)?, memory::get_u64(memory, value + 8)?);
            if (seconds as i64) < 0 || micros >= 1_000_000 {
                return Err(Errno::EDOM.into());
            }
            let timeout = Duration::from_secs(seconds).saturating_add(Duration::from_micros(micros));
            SocketOption::ReceiveTimeout((!timeout.is_zero()).then_some(timeout))
        }
        Named::NoDelay => SocketOption::NoDelay(first != 0),
        _ => return Ok(()),
    };
    match cx.with(|kernel, call| kernel.set_socket_option(call, fd, option)) {
        // libraries set it on whatever they have.
        Err(Errno::ENOPROTOOPT) => Ok(()),
        answer => Ok(answer?),
    }
}

/// getsockopt(): `len` has the room there is and gets the bytes there are. SO_ERROR's value is a WASI errno.
pub async fn net_getsockopt(cx: &mut Cx<'_>, fd: u32, level: u32, name: u32, value: u32, len: u32) -> Done {
    let room = memory::get_u32(cx.memory(), len)?;
    cx.check(&[(value, room.min(16))])?;
    let fd = socket(cx, fd)?;
    let named = named(level, name).ok_or(Errno::EINVAL)?;
    let status = cx.with(|kernel, call| kernel.socket_status(call, fd))?;
    let options = status.options;
    let word = |value: u32| value.to_le_bytes().to_vec();
    let time = |time: Duration| [time.as_secs().to_le_bytes(), u64::from(time.subsec_micros()).to_le_bytes()].concat();
    let bytes = match named {
        Named::ReuseAddress => word(u32::from(options.reuse_address)),
        Named::Type => word(match status.kind {
            SocketKind::Stream => STREAM,
            SocketKind::Datagram => DATAGRAM,
            SocketKind::SequencedPacket => SEQUENCED_PACKET,
        }),
        Named::Error if room < 4 => return Err(Errno::EINVAL.into()),
        Named::Error => {
            let error = cx.with(|kernel, call| kernel.take_socket_error(call, fd))?;
            word(error.map_or(0, |errno| u32::from(wasi(errno))))
        }
        Named::SendBuffer | Named::ReceiveBuffer => word(BUFFER_BYTES as u32),
        Named::KeepAlive => word(u32::from(options.keep_alive)),
        Named::Linger => [word(u32::from(options.linger.is_some())), word(options.linger.unwrap_or_default())].concat(),
        Named::ReceiveTimeout => time(options.receive_timeout.unwrap_or_default()),
        Named::SendTimeout => time(Duration::ZERO),
        Named::Accepts => word(u32::from(status.listens)),
        Named::NoDelay => word(u32::from(options.no_delay)),
        Named::Service => word(0),
    };
    if (room as usize) < bytes.len() {
        return Err(Errno::EINVAL.into());
    }
    memory::put(cx.memory(), value, &bytes)?;
    Ok(memory::put_u32(cx.memory(), len, bytes.len() as u32)?)
}

#[cfg(test)]
mod tests;
