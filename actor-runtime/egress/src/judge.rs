//! Whether a session may reach an address: its rules, the names the address was found by, and whose the address is.
//!
//! | the address | is reached when a rule |
//! | --- | --- |
//! | public | names it, or a name it was found by, or says `public` |
//! | not public, or this machine's own | names it, or says `local:` of a name it was found by |
//! | one where a cloud tells secrets | names this one address |

use crate::address::{Special, is_own, special};
use crate::rule::Rules;
use std::net::IpAddr;
use std::sync::Arc;

/// No rule is about the host.
pub const NO_RULE: &str = "no rule of the session's egress allows it";

/// Why something is not reached. What a name stands for inside is not told: only of which kind it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is.
    Allowed,
    /// No rule is about it.
    NoRule,
    /// A rule is, and the address is none that it reaches.
    Special(Special),
}

impl Verdict {
    /// As a refusal says it; nothing for what is allowed.
    pub fn reason(self) -> Option<String> {
        match self {
            Verdict::Allowed => None,
            Verdict::NoRule => Some(NO_RULE.to_owned()),
            Verdict::Special(special) => {
                Some(format!("it stands for a {special} address, which no rule of the session's egress names"))
            }
        }
    }
}

/// Whether a connection to this address and port, which was found by these names, is allowed.
pub fn judge(rules: &Rules, names: &[Arc<str>], address: IpAddr, port: u16) -> Verdict {
    decide(rules, names, address, Some(port))
}

/// Whether a name may be looked up at all.
pub fn may_look_up(rules: &Rules, name: &str) -> bool {
    rules.takes_public(None) || rules.names_host(name, None) || rules.names_local(name, None)
}

/// Whether this address of a name could be reached at some port: only such ones are told.
pub fn may_know(rules: &Rules, name: &Arc<str>, address: IpAddr) -> Verdict {
    decide(rules, std::slice::from_ref(name), address, None)
}

fn decide(rules: &Rules, names: &[Arc<str>], address: IpAddr, port: Option<u16>) -> Verdict {
    let address = address.to_canonical();
    let special = special(address);
    if rules.names_address(address, special, port) {
        return Verdict::Allowed;
    }
    let is_local = names.iter().any(|name| rules.names_local(name, port));
    let is_named = is_local || rules.takes_public(port) || names.iter().any(|name| rules.names_host(name, port));
    if !is_named {
        return Verdict::NoRule;
    }
    // Asked last: it is the system that knows.
    let special = special.or_else(|| is_own(address).then_some(Special::Own));
    match special {
        None => Verdict::Allowed,
        // A name that is one's own today may be pointed at a cloud's secrets tomorrow.
        Some(special @ (Special::Metadata | Special::Unspecified | Special::Multicast | Special::Broadcast)) => {
            Verdict::Special(special)
        }
        Some(_) if is_local => Verdict::Allowed,
        Some(special) => Verdict::Special(special),
    }
}

#[cfg(test)]
mod tests;
