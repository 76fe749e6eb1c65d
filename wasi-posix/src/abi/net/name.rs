//! Names of hosts: getaddrinfo() and DNS records.

use super::Done;
use crate::abi::cx::Cx;
use crate::memory;
use std::net::IpAddr;
use warren_kernel::Errno;
use warren_kernel::policy::Domain;
use warren_kernel::socket::resolve::LOOPBACK;
use warren_kernel::socket::{HOST_MAX, Host};

/// Bytes of a service's name, at most (RFC 6335 has 15).
const SERVICE_MAX: usize = 32;

/// Addresses of a host, as JSON: `[{"addr":"1.2.3.4","family":4}]`. `len` has the room there is, and gets the bytes
/// there are, also when they do not fit (ENOBUFS). A name only the policy can judge is asked as `host:service`, or
/// `host:*` without a service; no address of the wanted family is ENOENT.
#[allow(clippy::too_many_arguments, reason = "the ABI's signature")]
pub async fn net_getaddrinfo(
    cx: &mut Cx<'_>,
    host: u32,
    host_len: u32,
    service: u32,
    service_len: u32,
    family: u32,
    out: u32,
    len: u32,
) -> Done {
    let room = memory::get_u32(cx.memory(), len)?;
    cx.check(&[(out, room)])?;
    let host = cx.bytes(host, host_len, HOST_MAX + 2, Errno::ENAMETOOLONG)?;
    let service = cx.bytes(service, service_len, SERVICE_MAX, Errno::EINVAL)?;
    if !matches!(family, 0 | 4 | 6) {
        return Err(Errno::EAFNOSUPPORT.into());
    }
    let service = service_text(&service).ok_or(Errno::EINVAL)?;
    let found = if host.is_empty() {
        LOOPBACK.to_vec()
    } else {
        let host = std::str::from_utf8(&host).ok().and_then(Host::parse).ok_or(Errno::ENOENT)?;
        cx.call(|kernel, call, _| kernel.resolve(call, &host, service)).await?
    };
    let json = addresses_json(&found, family).ok_or(Errno::ENOENT)?;
    memory::put_u32(cx.memory(), len, json.len() as u32)?;
    if json.len() > room as usize {
        return Err(Errno::ENOBUFS.into());
    }
    Ok(memory::put(cx.memory(), out, json.as_bytes())?)
}

/// A service as a policy's subject has it; libc says `0` when it was not told one.
fn service_text(service: &[u8]) -> Option<&str> {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    match service {
        b"" | b"0" => Some("*"),
        _ if service.iter().all(plain) => std::str::from_utf8(service).ok(),
        _ => None,
    }
}

/// The addresses of a family (0 is either) as JSON; `None` if there is none.
fn addresses_json(addresses: &[IpAddr], family: u32) -> Option<String> {
    let mut entries = Vec::new();
    for address in addresses {
        let its = if address.is_ipv4() { 4 } else { 6 };
        if family == 0 || family == its {
            entries.push(format!("{{\"addr\":\"{address}\",\"family\":{its}}}"));
        }
    }
    (!entries.is_empty()).then(|| format!("[{}]", entries.join(",")))
}

/// PTR (12) and SSHFP (44) records. The policy is asked for `name:53`; what it allows finds no resolver.
#[allow(clippy::too_many_arguments, reason = "the ABI's signature")]
pub async fn net_dns_query(
    cx: &mut Cx<'_>,
    name: u32,
    len: u32,
    record: u32,
    out: u32,
    cap: u32,
    out_len: u32,
    out_ttl: u32,
    out_flags: u32,
) -> Done {
    cx.check(&[(out, cap), (out_len, 4), (out_ttl, 4), (out_flags, 4)])?;
    let name = cx.bytes(name, len, HOST_MAX + 2, Errno::ENAMETOOLONG)?;
    if !matches!(record, 12 | 44) {
        return Err(Errno::EINVAL.into());
    }
    let name = std::str::from_utf8(&name).ok().and_then(Host::parse).ok_or(Errno::EINVAL)?;
    cx.with(|kernel, call| kernel.permit(call, Domain::Connect, format!("{name}:53").as_bytes()))?;
    Err(Errno::EHOSTUNREACH.into())
}

#[cfg(test)]
mod tests;
