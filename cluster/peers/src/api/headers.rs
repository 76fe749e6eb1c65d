//! What a node says to another beside a client's request, in headers that only nodes can set.
//!
//! ```text
//! warren-peer-host       the host the client asked for         warren-peer-client     its address
//! warren-peer-identity   who it has proved to be, base64url    warren-peer-epoch      the epoch its gateway expects
//! warren-peer-hops       nodes that sent it on                 warren-peer-deadline   milliseconds left
//!
//! 421 + warren-peer-refused: misdirected, warren-peer-owner: n7, -address, -epoch      the receiver is not the owner
//! ```
//! Every header that begins so is taken out of what clients send and of what guests answer.

use crate::name::{node_text, parse_node};
use crate::server::REFUSED;
use crate::wire::Target;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{CONNECTION, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue};
use std::net::IpAddr;
use warren_ownership::position::Epoch;

/// What all of them begin with.
pub const PREFIX: &str = "warren-peer-";
/// Nodes that send a request on, at most.
pub const HOPS_MAX: u8 = 3;
/// Bytes of an identity, at most.
pub const IDENTITY_MAX: usize = 8 * 1024;
const ORIGINAL_HOST: HeaderName = HeaderName::from_static("warren-peer-host");
const CLIENT: HeaderName = HeaderName::from_static("warren-peer-client");
const IDENTITY: HeaderName = HeaderName::from_static("warren-peer-identity");
const EPOCH: HeaderName = HeaderName::from_static("warren-peer-epoch");
const HOPS: HeaderName = HeaderName::from_static("warren-peer-hops");
const OWNER: HeaderName = HeaderName::from_static("warren-peer-owner");
const ADDRESS: HeaderName = HeaderName::from_static("warren-peer-address");
/// The word for a request that is not at its owner.
pub(crate) const MISDIRECTED: &str = "misdirected";

/// Whose request it is, as the gateway that took it says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// Where the client is.
    pub client: Option<IpAddr>,
    /// Who it has proved to be, in the gateways' own form. At most [`IDENTITY_MAX`] bytes.
    pub identity: Vec<u8>,
    /// The epoch of the session that the gateway expects; an owner of another one says so.
    pub epoch: Option<Epoch>,
    /// Nodes that sent it on, this one included.
    pub hops: u8,
}

/// Where a session is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The owner.
    pub target: Target,
    /// Its epoch, if it is known.
    pub epoch: Option<Epoch>,
}

/// A header of a peer that cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the header {0} is not one of a peer's")]
pub struct HeaderError(HeaderName);

/// Takes out what only nodes may say.
pub fn strip_peer(headers: &mut HeaderMap) {
    remove_where(headers, |name| name.as_str().starts_with(PREFIX));
}

/// Takes out what is for one connection only (RFC 9110, 7.6.1), and what is said to a proxy.
pub fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named {
        // These say whose request it is and how long its body; no `Connection` may take them away.
        if name != HOST && name != http::header::CONTENT_LENGTH && name != http::header::AUTHORIZATION {
            headers.remove(name);
        }
    }
    const ONE_HOP: [HeaderName; 8] = [
        CONNECTION,
        UPGRADE,
        TE,
        TRANSFER_ENCODING,
        PROXY_AUTHENTICATE,
        PROXY_AUTHORIZATION,
        HeaderName::from_static("keep-alive"),
        HeaderName::from_static("proxy-connection"),
    ];
    for name in ONE_HOP {
        headers.remove(name);
    }
}

fn remove_where(headers: &mut HeaderMap, is_gone: impl Fn(&HeaderName) -> bool) {
    let gone: Vec<HeaderName> = headers.keys().filter(|name| is_gone(name)).cloned().collect();
    for name in gone {
        headers.remove(name);
    }
}

impl Origin {
    /// Puts it in a request that goes to a peer, from which a client's own were taken out.
    pub(crate) fn put(&self, headers: &mut HeaderMap) -> Result<(), HeaderError> {
        if let Some(host) = headers.remove(HOST) {
            headers.insert(ORIGINAL_HOST, host);
        }
        if let Some(client) = self.client {
            headers.insert(CLIENT, value(&client.to_string()));
        }
        if self.identity.len() > IDENTITY_MAX {
            return Err(HeaderError(IDENTITY));
        }
        if !self.identity.is_empty() {
            headers.insert(IDENTITY, value(&URL_SAFE_NO_PAD.encode(&self.identity)));
        }
        if let Some(epoch) = self.epoch {
            headers.insert(EPOCH, HeaderValue::from(epoch.get()));
        }
        headers.insert(HOPS, HeaderValue::from(u16::from(self.hops)));
        Ok(())
    }

    /// Takes it out of a request that came from a peer; the client's host is where it was.
    pub(crate) fn take(headers: &mut HeaderMap) -> Result<Origin, HeaderError> {
        let identity = match headers.get(&IDENTITY) {
            None => Vec::new(),
            Some(value) => URL_SAFE_NO_PAD.decode(value).map_err(|_| HeaderError(IDENTITY))?,
        };
        if identity.len() > IDENTITY_MAX {
            return Err(HeaderError(IDENTITY));
        }
        let client = parsed(headers, &CLIENT, |text| text.parse().ok())?;
        let epoch = parsed(headers, &EPOCH, |text| text.parse().ok().and_then(Epoch::new))?;
        let hops = parsed(headers, &HOPS, |text| text.parse().ok())?.unwrap_or(0);
        let host = headers.remove(ORIGINAL_HOST);
        strip_peer(headers);
        headers.remove(HOST);
        if let Some(host) = host {
            headers.insert(HOST, host);
        }
        Ok(Origin { client, identity, epoch, hops })
    }
}

impl Route {
    /// Says where to go, in an answer of 421 (RFC 9110, 15.5.20).
    pub(crate) fn put(&self, headers: &mut HeaderMap) {
        headers.insert(OWNER, value(&node_text(self.target.node)));
        if let Ok(address) = HeaderValue::try_from(&*self.target.address) {
            headers.insert(ADDRESS, address);
        }
        if let Some(epoch) = self.epoch {
            headers.insert(EPOCH, HeaderValue::from(epoch.get()));
        }
    }

    /// What an answer of 421 says; `None` if it does not know.
    pub(crate) fn read(headers: &HeaderMap) -> Option<Route> {
        let node = parse_node(text(headers, &OWNER)?).ok()?;
        let epoch = text(headers, &EPOCH).and_then(|text| text.parse().ok()).and_then(Epoch::new);
        Some(Route { target: Target::new(node, text(headers, &ADDRESS)?), epoch })
    }
}

/// The word in an answer that says that nothing was done.
pub(crate) fn refused(headers: &HeaderMap) -> Option<&str> {
    text(headers, &REFUSED)
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn parsed<T>(
    headers: &HeaderMap,
    name: &HeaderName,
    read: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, HeaderError> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    value.to_str().ok().and_then(read).map(Some).ok_or_else(|| HeaderError(name.clone()))
}

fn value(text: &str) -> HeaderValue {
    HeaderValue::try_from(text).expect("it is of visible ASCII")
}

#[cfg(test)]
mod tests;
