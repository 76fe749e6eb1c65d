//! Addresses as texts: `host:port`, `[v6]:port`, `unix:/path` and its variants.

use crate::abi::cx::Cx;
use crate::memory;
use std::fmt::Write as _;
use warren_kernel::Errno;
use warren_kernel::socket::{Address, Host, Name};
use warren_kernel::vfs::PATH_MAX;

/// Bytes of an address' text, at most: a path in hexadecimal, and the word before it.
const ADDRESS_MAX: usize = 2 * PATH_MAX + 16;

/// The address a guest gave.
pub(super) fn address(cx: &mut Cx<'_>, at: u32, len: u32) -> Result<Address, Errno> {
    let text = cx.bytes(at, len, ADDRESS_MAX, Errno::ENAMETOOLONG)?;
    parse_address(&text).ok_or(Errno::EINVAL)
}

/// Where a guest wants a name, checked: the room is read from `len`, which gets the bytes written.
#[derive(Clone, Copy)]
pub(super) struct NameOut {
    at: u32,
    room: u32,
    len: u32,
}

impl NameOut {
    pub(super) fn new(cx: &mut Cx<'_>, at: u32, len: u32) -> Result<NameOut, Errno> {
        let room = memory::get_u32(cx.memory(), len)?;
        cx.check(&[(at, room)])?;
        Ok(NameOut { at, room, len })
    }

    /// Writes as much of the name as there is room for; no name has no bytes.
    pub(super) fn put(self, cx: &mut Cx<'_>, name: Option<&Name>) -> Result<(), Errno> {
        let text = name.map(name_text).unwrap_or_default();
        let count = text.len().min(self.room as usize);
        memory::put(cx.memory(), self.at, &text.as_bytes()[..count])?;
        memory::put_u32(cx.memory(), self.len, count as u32)
    }
}

/// A name in the form [`parse_address`] reads; a path that is no plain text in hexadecimal.
fn name_text(name: &Name) -> String {
    match name {
        Name::Unnamed => "unix-unnamed".to_owned(),
        Name::Inet(at) => at.to_string(),
        Name::Path(path) => match std::str::from_utf8(path) {
            Ok(path) if !path.contains(char::is_control) => format!("unix:{path}"),
            _ => format!("unix-path-hex:{}", hex(path)),
        },
        Name::Abstract(name) => format!("unix-abstract:{}", hex(name)),
    }
}

/// An address from its text. The libc of older packages writes IPv6 without brackets, and a Unix path as it is.
fn parse_address(text: &[u8]) -> Option<Address> {
    if let Some(path) = text.strip_prefix(b"unix:") {
        return (!path.is_empty()).then(|| Address::Path(path.to_vec()));
    }
    if let Some(hex) = text.strip_prefix(b"unix-path-hex:") {
        return unhex(hex).filter(|path| !path.is_empty()).map(Address::Path);
    }
    if let Some(hex) = text.strip_prefix(b"unix-abstract:") {
        return unhex(hex).map(Address::Abstract);
    }
    match text {
        b"unix-autobind" => return Some(Address::Autobind),
        b"unix-unnamed" | b"" => return None,
        _ if text[0] == b'/' || !text.contains(&b':') => return Some(Address::Path(text.to_vec())),
        _ => {}
    }
    let (host, port) = std::str::from_utf8(text).ok()?.rsplit_once(':')?;
    let host = match host.strip_prefix('[') {
        Some(host) => host.strip_suffix(']').filter(|host| host.contains(':'))?,
        None => host,
    };
    let port = Some(port).filter(|port| port.bytes().all(|byte| byte.is_ascii_digit()))?.parse().ok()?;
    Some(Address::Inet(Host::parse(host)?, port))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn unhex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    if !text.len().is_multiple_of(2) {
        return None;
    }
    text.chunks_exact(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

#[cfg(test)]
mod tests;
