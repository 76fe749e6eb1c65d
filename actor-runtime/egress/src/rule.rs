//! What a session may reach, as its owner writes it.
//!
//! ```text
//! api.example.com            any port of this host, wherever on the internet it is
//! api.example.com:443        this port           *.example.com:8000-8100   any host below, these ports
//! 192.0.2.7:5432             this address        10.1.0.0/16               these; IPv6 is written [fd00::/48]:80
//! public:443                 every public address, by any name
//! local:db.internal:5432     this host and port, also where the name stands for a private address
//! ```
//! A rule by name or `public` reaches public addresses only. An address that is not public is reached by a rule that names
//! it, or a network it is in; where clouds tell secrets, by a rule for that one address alone.

use crate::address::{self, Special};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;
use std::str::FromStr;
use warren_kernel::socket::Host;

/// Rules of a session, at most.
pub const RULES_MAX: usize = 128;
/// Bytes of a rule, at most: a host's longest name, and what stands around it.
pub const RULE_BYTES_MAX: usize = 280;
/// The widest network a rule names. Whoever wants more means everything, and that is called `public`.
const PREFIX_MIN_V4: u8 = 8;
const PREFIX_MIN_V6: u8 = 7;

/// One thing a session may reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    host: Hosts,
    ports: RangeInclusive<u16>,
}

/// Which hosts a rule is about.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Hosts {
    /// This name, at public addresses.
    Name(String),
    /// Every name that ends so, dot included, at public addresses.
    Below(String),
    /// This name, wherever it is.
    Local(String),
    /// These addresses.
    Net(IpAddr, u8),
    /// Every public address, by any name.
    Public,
}

/// Everything a session may reach.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules(Vec<Rule>);

/// A rule that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// Too many.
    #[error("{0} rules; at most {RULES_MAX} are taken")]
    TooMany(usize),
    /// Too long.
    #[error("`{0}`: a rule has 1 to {RULE_BYTES_MAX} bytes")]
    Length(String),
    /// It is none.
    #[error("`{0}`: {1}")]
    Wrong(String, &'static str),
}

impl FromStr for Rule {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Rule, RuleError> {
        let short = || text.chars().take(64).collect::<String>();
        if text.is_empty() || text.len() > RULE_BYTES_MAX {
            return Err(RuleError::Length(short()));
        }
        parse(text).map_err(|reason| RuleError::Wrong(short(), reason))
    }
}

fn parse(text: &str) -> Result<Rule, &'static str> {
    if let Some(rest) = text.strip_prefix("local:")
        && rest.bytes().any(|byte| !byte.is_ascii_digit())
    {
        let (name, port) = rest.rsplit_once(':').ok_or("a local rule is local:HOST:PORT")?;
        let port = ports(port)?;
        return match Host::parse(name) {
            Some(Host::Name(name)) if port.start() == port.end() => Ok(Rule { host: Hosts::Local(name), ports: port }),
            Some(Host::Name(_)) => Err("a local rule is for one port"),
            Some(Host::Address(_)) => Err("an address needs no local: write it alone"),
            None => Err("a local rule is local:HOST:PORT, with the host's whole name"),
        };
    }
    let (host, port) = split(text)?;
    let ports = port.map_or(Ok(1..=u16::MAX), ports)?;
    Ok(Rule { host: hosts(host)?, ports })
}

/// The host, and what stands behind its colon. An IPv6 address with a port stands in brackets.
fn split(text: &str) -> Result<(&str, Option<&str>), &'static str> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or("a bracket is not closed")?;
        return match rest.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if rest.is_empty() => Ok((host, None)),
            None => Err("behind a bracket there can be a colon and a port"),
        };
    }
    match text.matches(':').count() {
        0 => Ok((text, None)),
        1 => Ok(text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)))),
        _ => Ok((text, None)),
    }
}

fn ports(text: &str) -> Result<RangeInclusive<u16>, &'static str> {
    const WRONG: &str = "a port is 1 to 65535, or two with a dash, the smaller first";
    let port = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|port: &u16| digits && *port > 0).ok_or(WRONG)
    };
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let range = port(first)?..=port(last)?;
    if range.is_empty() { Err(WRONG) } else { Ok(range) }
}

fn hosts(text: &str) -> Result<Hosts, &'static str> {
    if text == "public" {
        return Ok(Hosts::Public);
    }
    if text == "*" {
        return Err("for everything on the internet write `public`");
    }
    if let Some((base, length)) = text.split_once('/') {
        return network(base, length);
    }
    if let Some(suffix) = text.strip_prefix("*.") {
        return match Host::parse(suffix) {
            Some(Host::Name(name)) => Ok(Hosts::Below(format!(".{name}"))),
            _ => Err("behind `*.` stands a name"),
        };
    }
    match Host::parse(text) {
        Some(Host::Name(name)) => Ok(Hosts::Name(name)),
        Some(Host::Address(address)) => Ok(Hosts::Net(address, width(address))),
        None => Err("it names no host: a name in ASCII, `*.` and a name, an address, a network, or `public`"),
    }
}

fn network(base: &str, length: &str) -> Result<Hosts, &'static str> {
    let base: IpAddr = base.parse().map_err(|_| "a network is an address, a slash and a number of bits")?;
    if base != base.to_canonical() {
        return Err("write an IPv4 network as one");
    }
    let wrong = "the number of bits is not one of this kind of address";
    let digits = length.bytes().all(|byte| byte.is_ascii_digit());
    let length = length.parse().ok().filter(|length| digits && *length <= width(base)).ok_or(wrong)?;
    if masked(base, length) != base {
        return Err("there are bits set behind the network's own");
    }
    let least = if base.is_ipv4() { PREFIX_MIN_V4 } else { PREFIX_MIN_V6 };
    if length < least {
        return Err("the network is so wide that it names nothing; for everything on the internet write `public`");
    }
    Ok(Hosts::Net(base, length))
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// The first `length` bits of an address.
fn masked(address: IpAddr, length: u8) -> IpAddr {
    let keep = |width: u32| u128::MAX.checked_shl(width - u32::from(length)).unwrap_or(0);
    match address {
        IpAddr::V4(address) => Ipv4Addr::from(u32::from(address) & keep(32) as u32).into(),
        IpAddr::V6(address) => Ipv6Addr::from(u128::from(address) & keep(128)).into(),
    }
}

impl Rule {
    /// Whether it is about this port.
    fn takes(&self, port: u16) -> bool {
        self.ports.contains(&port)
    }

    /// Whether it names this address.
    fn names_address(&self, address: IpAddr, special: Option<Special>) -> bool {
        match self.host {
            Hosts::Net(base, length) => {
                let is_in = base.is_ipv4() == address.is_ipv4() && masked(address, length) == base;
                is_in && (special != Some(Special::Metadata) || length == width(base))
            }
            _ => false,
        }
    }

    /// Whether it names this host, at public addresses.
    fn names_host(&self, host: &str) -> bool {
        match &self.host {
            Hosts::Name(name) => name == host,
            // Something has to stand before the dot.
            Hosts::Below(suffix) => host.len() > suffix.len() && host.ends_with(suffix.as_str()),
            Hosts::Local(_) | Hosts::Net(..) | Hosts::Public => false,
        }
    }

    /// Whether it reaches anything that is not public.
    pub fn is_private(&self) -> bool {
        match self.host {
            Hosts::Name(_) | Hosts::Below(_) | Hosts::Public => false,
            Hosts::Local(_) => true,
            // Of a network it is enough that one end is: none of the blocks lies amid a network that is public at both ends,
            // but for single addresses, and those a network does not name.
            Hosts::Net(base, length) => {
                let last = last_of(base, length);
                address::special(base).is_some() || address::special(last).is_some() || spans(base, length)
            }
        }
    }

    /// Whether another rule reaches all that this one does.
    pub fn is_within(&self, other: &Rule) -> bool {
        let ports = other.takes(*self.ports.start()) && other.takes(*self.ports.end());
        let hosts = match (&self.host, &other.host) {
            (Hosts::Net(base, length), Hosts::Net(wider, least)) => {
                let is_in = base.is_ipv4() == wider.is_ipv4() && length >= least && masked(*base, *least) == *wider;
                // A network does not name what a single address in it does.
                is_in && (length == least || address::special(*base) != Some(Special::Metadata))
            }
            (own, other) => own == other,
        };
        ports && hosts
    }
}

/// Whether a network holds a block that is not public amid others.
fn spans(base: IpAddr, length: u8) -> bool {
    // Networks of /8 and longer, and the blocks of IPv4, all begin at multiples of a /24 and are looked at one by one
    // where there are few enough; IPv6 is public within 2000::/3 but for two blocks.
    match base {
        IpAddr::V4(base) => {
            let (first, count) = (u32::from(base) >> 8, 1_u32 << (24_u32.saturating_sub(u32::from(length))));
            (first..first.saturating_add(count)).any(|net| address::special(Ipv4Addr::from(net << 8).into()).is_some())
        }
        IpAddr::V6(_) => ["2001::", "2001:db8::", "2002::", "3fff::"]
            .iter()
            .filter_map(|text| text.parse().ok())
            .any(|inner| masked(inner, length) == base),
    }
}

fn last_of(base: IpAddr, length: u8) -> IpAddr {
    let rest = |width: u32| u128::MAX.checked_shr(128 - (width - u32::from(length))).unwrap_or(0);
    match base {
        IpAddr::V4(base) => Ipv4Addr::from(u32::from(base) | rest(32) as u32).into(),
        IpAddr::V6(base) => Ipv6Addr::from(u128::from(base) | rest(128)).into(),
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Hosts::Name(name) => write!(f, "{name}")?,
            Hosts::Below(suffix) => write!(f, "*{suffix}")?,
            Hosts::Local(name) => write!(f, "local:{name}")?,
            Hosts::Public => write!(f, "public")?,
            Hosts::Net(base, length) => {
                let network = if *length == width(*base) { base.to_string() } else { format!("{base}/{length}") };
                if base.is_ipv4() { write!(f, "{network}")? } else { write!(f, "[{network}]")? }
            }
        }
        match (self.ports.start(), self.ports.end()) {
            (1, &u16::MAX) => Ok(()),
            (first, last) if first == last => write!(f, ":{first}"),
            (first, last) => write!(f, ":{first}-{last}"),
        }
    }
}

impl Rules {
    /// The rules of these texts.
    ///
    /// # Errors
    /// The first that is none, or too many.
    pub fn parse<T: AsRef<str>>(texts: &[T]) -> Result<Rules, RuleError> {
        if texts.len() > RULES_MAX {
            return Err(RuleError::TooMany(texts.len()));
        }
        texts.iter().map(|text| text.as_ref().parse()).collect::<Result<_, _>>().map(Rules)
    }

    /// One by one.
    pub fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.0.iter()
    }

    /// Whether some rule names this address for this port, or for any.
    pub(crate) fn names_address(&self, address: IpAddr, special: Option<Special>, port: Option<u16>) -> bool {
        self.any(port, |rule| rule.names_address(address, special))
    }

    /// Whether some rule names this host at public addresses.
    pub(crate) fn names_host(&self, host: &str, port: Option<u16>) -> bool {
        self.any(port, |rule| rule.names_host(host))
    }

    /// Whether some rule names this host wherever it is.
    pub(crate) fn names_local(&self, host: &str, port: Option<u16>) -> bool {
        self.any(port, |rule| matches!(&rule.host, Hosts::Local(name) if name == host))
    }

    /// Whether everything public is allowed.
    pub(crate) fn takes_public(&self, port: Option<u16>) -> bool {
        self.any(port, |rule| rule.host == Hosts::Public)
    }

    fn any(&self, port: Option<u16>, is_meant: impl Fn(&Rule) -> bool) -> bool {
        self.0.iter().any(|rule| port.is_none_or(|port| rule.takes(port)) && is_meant(rule))
    }
}

#[cfg(test)]
mod tests;
