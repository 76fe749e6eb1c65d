//! Whose an address is: everybody's, or the own network's, the machine's, nobody's.
//!
//! What is no ordinary address of the internet is reached by no rule that does not name it, so the tables err on that side:
//! of IPv6 only `2000::/3` is public, without the parts of it that are set aside, and of what carries an IPv4 address
//! inside, only what carries a public one.
//!
//! # Standard
//! IANA's registries of special-purpose IPv4 and IPv6 addresses (RFC 6890), and what clouds answer at.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

/// Why an address is not public.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Special {
    /// Of this machine or its network: 0.0.0.0/8, `::`.
    Unspecified,
    /// The machine that asks.
    Loopback,
    /// A network of somebody's own: RFC 1918, unique local, site-local.
    Private,
    /// Between a provider and its customers (RFC 6598).
    Shared,
    /// One link.
    LinkLocal,
    /// Where a cloud tells its machines who they are.
    Metadata,
    /// Many at once.
    Multicast,
    /// All at once.
    Broadcast,
    /// For texts and measurements.
    Documentation,
    /// Set aside, for tunnels among others.
    Reserved,
    /// One that this machine has itself.
    Own,
}

impl Special {
    /// As a refusal says it.
    pub fn as_str(self) -> &'static str {
        match self {
            Special::Unspecified => "unspecified",
            Special::Loopback => "loopback",
            Special::Private => "private",
            Special::Shared => "shared",
            Special::LinkLocal => "link-local",
            Special::Metadata => "metadata",
            Special::Multicast => "multicast",
            Special::Broadcast => "broadcast",
            Special::Documentation => "documentation",
            Special::Reserved => "reserved",
            Special::Own => "this machine's own",
        }
    }
}

impl fmt::Display for Special {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A block of IPv4 and what it is.
type Block4 = (Ipv4Addr, u8, Special);
/// A block of IPv6 and what it is.
type Block6 = (Ipv6Addr, u8, Special);

const fn v4(a: u8, b: u8, c: u8, d: u8, length: u8, special: Special) -> Block4 {
    (Ipv4Addr::new(a, b, c, d), length, special)
}

const fn v6(groups: [u16; 4], length: u8, special: Special) -> Block6 {
    let [a, b, c, d] = groups;
    (Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0), length, special)
}

/// Where clouds answer, each in a block of its own: the first that contains an address says what it is.
const METADATA_4: [Block4; 6] = [
    v4(169, 254, 169, 254, 32, Special::Metadata), // most of them
    v4(169, 254, 170, 2, 32, Special::Metadata),   // tasks of ECS
    v4(169, 254, 170, 23, 32, Special::Metadata),  // pods of EKS
    v4(100, 100, 100, 200, 32, Special::Metadata), // Alibaba
    v4(192, 0, 0, 192, 32, Special::Metadata),     // Oracle
    v4(168, 63, 129, 16, 32, Special::Metadata),   // Azure, in a block that is public
];

/// The rest of IPv4 that is not public.
const BLOCKS_4: [Block4; 16] = [
    v4(0, 0, 0, 0, 8, Special::Unspecified),
    v4(10, 0, 0, 0, 8, Special::Private),
    v4(100, 64, 0, 0, 10, Special::Shared),
    v4(127, 0, 0, 0, 8, Special::Loopback),
    v4(169, 254, 0, 0, 16, Special::LinkLocal),
    v4(172, 16, 0, 0, 12, Special::Private),
    v4(192, 0, 0, 0, 24, Special::Reserved),
    v4(192, 0, 2, 0, 24, Special::Documentation),
    v4(192, 88, 99, 0, 24, Special::Reserved), // relays of 6to4
    v4(192, 168, 0, 0, 16, Special::Private),
    v4(198, 18, 0, 0, 15, Special::Documentation), // benchmarks
    v4(198, 51, 100, 0, 24, Special::Documentation),
    v4(203, 0, 113, 0, 24, Special::Documentation),
    v4(224, 0, 0, 0, 4, Special::Multicast),
    v4(255, 255, 255, 255, 32, Special::Broadcast),
    v4(240, 0, 0, 0, 4, Special::Reserved),
];

const METADATA_6: [Ipv6Addr; 3] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
];

/// IPv6 that is not public; the first that contains an address says what it is. What none contains is public within
/// 2000::/3, and reserved elsewhere.
const BLOCKS_6: [Block6; 10] = [
    v6([0, 0, 0, 0], 64, Special::Reserved), // IPv4-compatible, translated; see `class_6` for the mapped ones
    v6([0xfc00, 0, 0, 0], 7, Special::Private),
    v6([0xfe80, 0, 0, 0], 10, Special::LinkLocal),
    v6([0xfec0, 0, 0, 0], 10, Special::Private), // site-local
    v6([0xff00, 0, 0, 0], 8, Special::Multicast),
    v6([0x2001, 0, 0, 0], 23, Special::Reserved), // protocols: Teredo, ORCHID, benchmarks
    v6([0x2001, 0xdb8, 0, 0], 32, Special::Documentation),
    v6([0x3fff, 0, 0, 0], 20, Special::Documentation),
    v6([0x64, 0xff9b, 1, 0], 48, Special::Private), // translation of one's own
    v6([0x100, 0, 0, 0], 64, Special::Reserved),    // discarded
];

/// Why an address is not public; `None` if it is. Whether it is this machine's own is [`is_own`]'s to say.
pub fn special(address: IpAddr) -> Option<Special> {
    match address.to_canonical() {
        IpAddr::V4(address) => special_4(address),
        IpAddr::V6(address) => special_6(address),
    }
}

fn special_4(address: Ipv4Addr) -> Option<Special> {
    let within = |block: &&Block4| {
        let (base, length, _) = **block;
        u32::from(base) >> (32 - u32::from(length)) == u32::from(address) >> (32 - u32::from(length))
    };
    METADATA_4.iter().chain(&BLOCKS_4).find(within).map(|(.., special)| *special)
}

fn special_6(address: Ipv6Addr) -> Option<Special> {
    if address.is_unspecified() {
        return Some(Special::Unspecified);
    }
    if address.is_loopback() {
        return Some(Special::Loopback);
    }
    if METADATA_6.contains(&address) {
        return Some(Special::Metadata);
    }
    let within = |block: &&Block6| {
        let (base, length, _) = **block;
        u128::from(base) >> (128 - u32::from(length)) == u128::from(address) >> (128 - u32::from(length))
    };
    if let Some((.., special)) = BLOCKS_6.iter().find(within) {
        return Some(*special);
    }
    if let Some(inner) = carried(address) {
        return special_4(inner);
    }
    let is_global = address.segments()[0] >> 13 == 1;
    (!is_global).then_some(Special::Reserved)
}

/// The IPv4 address that traffic to an IPv6 address ends at: NAT64 (64:ff9b::/96, RFC 6052), 6to4 (2002::/16, RFC 3056),
/// ISATAP (RFC 5214).
fn carried(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let joined = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    match [a, b, c, d, e, f] {
        [0x64, 0xff9b, 0, 0, 0, 0] => Some(joined(g, h)),
        [0x2002, high, low, ..] => Some(joined(high, low)),
        [.., 0 | 0x200, 0x5efe] => Some(joined(g, h)),
        _ => None,
    }
}

/// Whether this machine itself has the address: what listens there was not meant for guests, whoever may reach it from
/// elsewhere. The system says so in two ways, and nothing is sent: an own address can be bound, and what goes to it comes
/// from it. Where `ip_nonlocal_bind` lets any address be bound, only the second is asked, which does not know the further
/// addresses of a network that the machine has several of.
pub fn is_own(address: IpAddr) -> bool {
    let (any, nobody): (IpAddr, IpAddr) = match address {
        IpAddr::V4(_) => (Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::new(192, 0, 2, 1).into()),
        IpAddr::V6(_) => (Ipv6Addr::UNSPECIFIED.into(), Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into()),
    };
    let can_be_bound = |address: IpAddr| UdpSocket::bind((address, 0)).is_ok();
    if can_be_bound(address) && !can_be_bound(nobody) {
        return true;
    }
    // Any port: none is reached.
    let asked = UdpSocket::bind((any, 0)).and_then(|socket| {
        socket.connect((address, 9))?;
        socket.local_addr()
    });
    asked.is_ok_and(|from| from.ip().to_canonical() == address.to_canonical())
}

#[cfg(test)]
mod tests;
