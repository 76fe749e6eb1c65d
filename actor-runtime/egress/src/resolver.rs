//! From names to addresses, by the system's own means.

use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use warren_kernel::Errno;

/// Finds the addresses of names. One asks the system, others are tests'.
pub trait Resolver: Send + Sync {
    /// The addresses of a name, best first. May block.
    ///
    /// # Errors
    /// `ENOENT` when there is no such name, `EHOSTUNREACH` when nobody can be asked.
    fn look_up(&self, name: &str) -> Result<Vec<IpAddr>, Errno>;
}

/// getaddrinfo() of the system: `/etc/hosts`, and the name servers it is told of, in the order of RFC 6724.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

impl Resolver for SystemResolver {
    fn look_up(&self, name: &str) -> Result<Vec<IpAddr>, Errno> {
        let mut addresses = Vec::new();
        for found in (name, 0).to_socket_addrs().map_err(|error| errno(&error))? {
            let address = found.ip().to_canonical();
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        if addresses.is_empty() { Err(Errno::ENOENT) } else { Ok(addresses) }
    }
}

/// What went wrong is only in the text.
fn errno(error: &io::Error) -> Errno {
    if error.to_string().contains("emporary failure") { Errno::EHOSTUNREACH } else { Errno::ENOENT }
}
