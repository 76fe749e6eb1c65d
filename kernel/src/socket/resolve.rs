//! From names to addresses: /etc/hosts, the names of the session itself, and the [`super::egress::Egress`] for others.

use super::Family;
use super::address::{Address, Host, is_ours, reached};
use super::egress::Unreached;
use crate::errno::Errno;
use crate::fetch::Call;
use crate::kernel::Kernel;
use crate::policy::Domain;
use crate::wait::{Halt, Step};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Bytes of /etc/hosts, at most.
const HOSTS_MAX: usize = 1 << 20;
/// Addresses of one name, at most.
pub const ANSWERS_MAX: usize = 32;

/// Where a call reaches.
pub(super) enum Target {
    /// The session itself.
    Inside(SocketAddr),
    /// A port of a host outside: a name the session does not know, or an address.
    Outside(Host, u16),
}

/// The addresses of the session itself.
pub const LOOPBACK: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];

impl Kernel {
    /// Addresses of a host, best first. A name only the outside knows is asked of the policy as `host:service`, and its
    /// addresses are remembered: a connection to one of them is one to that name.
    ///
    /// # Errors
    /// `EACCES` when the policy or the way out refuses the name; `EHOSTUNREACH` when there is nobody to ask; what the
    /// [`super::egress::Egress`] says.
    pub fn resolve(&mut self, call: &mut Call, host: &Host, service: &str) -> Step<Vec<IpAddr>> {
        let name = match host {
            Host::Address(address) => return Ok(vec![*address]),
            Host::Name(name) => name,
        };
        let found = self.known_addresses(call, host)?;
        if !found.is_empty() {
            return Ok(found);
        }
        self.permit(call, Domain::Connect, format!("{host}:{service}").as_bytes())?;
        self.look_outside(call, name, service)
    }

    /// Asks the way out for a name's addresses, and pins them.
    pub(super) fn look_outside(&mut self, call: &mut Call, name: &str, service: &str) -> Step<Vec<IpAddr>> {
        let egress = self.world.egress.clone().ok_or(Errno::EHOSTUNREACH)?;
        match call.resolve(&egress, name)? {
            Ok(answers) => {
                let addresses: Vec<_> = answers.iter().take(ANSWERS_MAX).map(IpAddr::to_canonical).collect();
                self.sockets.pins.note(name, &addresses);
                Ok(addresses)
            }
            Err(Unreached::Failed(errno)) => Err(errno.into()),
            Err(Unreached::Refused(reason)) => {
                self.refuse_outside(call.pid, format!("{name}:{service}"), &reason);
                Err(Errno::EACCES.into())
            }
        }
    }

    /// What the session itself knows of a host.
    fn known_addresses(&mut self, call: &mut Call, host: &Host) -> Step<Vec<IpAddr>> {
        let name = match host {
            Host::Address(address) => return Ok(vec![*address]),
            Host::Name(name) => name,
        };
        let hosts = match self.read_file(call, b"/etc/hosts", HOSTS_MAX) {
            Ok(text) => text,
            Err(Halt::Fail(_)) => Vec::new(),
            Err(halt) => return Err(halt),
        };
        let found = in_hosts(&hosts, name);
        Ok(if found.is_empty() && host.is_loopback() { LOOPBACK.to_vec() } else { found })
    }

    /// Where a call of a socket of `family` reaches. Inside the session the policy is asked for the address, whatever
    /// name stood for it; the outside is yet to be asked about. What the session's own file calls an address outside is
    /// that address: a session could give it any name.
    ///
    /// # Errors
    /// `EACCES` when the policy refuses; `EAFNOSUPPORT` for a host without an address of the family.
    pub(super) fn inet_target(&mut self, call: &mut Call, family: Family, address: &Address) -> Step<Target> {
        let Address::Inet(host, port) = address else { return Err(Errno::EAFNOSUPPORT.into()) };
        let known = self.known_addresses(call, host)?;
        if known.is_empty() {
            return Ok(Target::Outside(host.clone(), *port));
        }
        let address = choose(&known, family).ok_or(Errno::EAFNOSUPPORT)?;
        if !is_ours(address) {
            return Ok(Target::Outside(Host::Address(address), *port));
        }
        let at = SocketAddr::new(reached(address), *port);
        self.permit(call, Domain::Connect, subject(at).as_bytes())?;
        Ok(Target::Inside(at))
    }

    /// Where a datagram goes. None leaves the session.
    ///
    /// # Errors
    /// As [`Kernel::inet_target`]; outside `EACCES` when the policy refuses, else `ENETUNREACH`.
    pub(super) fn datagram_target(&mut self, call: &mut Call, family: Family, address: &Address) -> Step<SocketAddr> {
        let (host, port) = match self.inet_target(call, family, address)? {
            Target::Inside(at) => return Ok(at),
            Target::Outside(host, port) => (host, port),
        };
        let subject = format!("{host}:{port}");
        self.permit(call, Domain::Connect, subject.as_bytes())?;
        if self.world.egress.is_some() {
            self.refuse_outside(call.pid, subject, "only TCP goes outside, no datagram does");
        }
        Err(Errno::ENETUNREACH.into())
    }

    /// The address a socket of `family` is to be bound to.
    ///
    /// # Errors
    /// `EADDRNOTAVAIL` for what is not the session's.
    pub(super) fn inet_place(&mut self, call: &mut Call, family: Family, host: &Host) -> Step<IpAddr> {
        let known = self.known_addresses(call, host)?;
        Ok(choose(&known, family).filter(|address| is_ours(*address)).ok_or(Errno::EADDRNOTAVAIL)?)
    }
}

/// An address as policies spell it.
pub(super) fn subject(at: SocketAddr) -> String {
    format!("{}:{}", Host::Address(at.ip()), at.port())
}

/// The first address of a family; an IPv6 socket takes IPv4 ones too, mapped.
fn choose(addresses: &[IpAddr], family: Family) -> Option<IpAddr> {
    let own = addresses.iter().find(|address| address.is_ipv4() == (family == Family::Inet));
    own.or_else(|| addresses.first().filter(|_| family == Family::Inet6)).copied()
}

/// The addresses /etc/hosts has for a name, in its order.
fn in_hosts(text: &[u8], name: &str) -> Vec<IpAddr> {
    let mut found = Vec::new();
    for line in text.split(|byte| *byte == b'\n') {
        let line = line.split(|byte| *byte == b'#').next().unwrap_or_default();
        let Ok(line) = std::str::from_utf8(line) else { continue };
        let mut words = line.split_ascii_whitespace();
        let Some(address) = words.next().and_then(|word| word.parse::<IpAddr>().ok()) else { continue };
        let address = address.to_canonical();
        if words.any(|word| word.eq_ignore_ascii_case(name)) && !found.contains(&address) {
            found.push(address);
        }
        if found.len() == ANSWERS_MAX {
            break;
        }
    }
    found
}

#[cfg(test)]
mod tests;
