//! The names of things that outlive a process: sessions, tenants, commands.
//!
//! ```text
//! SessionId   0r8k2c… 26 characters of base32hex in lower case (0-9 a-v): 48 bits of milliseconds, 80 random bits
//! SessionName my-agent  a pointer to an id, within one tenant; may be moved, may be taken again after a deletion
//! ```
//! An id is a DNS label, sorts by the time it was made, and is never given twice.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use warren_kernel::host::Host;

/// Characters of a [`SessionId`].
pub const SESSION_ID_LEN: usize = 26;
/// Characters of a name or a tenant, at most: a DNS label's.
pub const NAME_MAX: usize = 63;
/// Bytes of an idempotency key, at most.
pub const KEY_MAX: usize = 255;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";

/// A session, for ever.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(u128);

/// Whose a session is.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantId(Arc<str>);

/// What its owner calls a session: 1 to 63 of `a-z 0-9 . _ -`, the first a letter or digit, and not of a
/// [`SessionId`]'s form.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionName(Arc<str>);

/// What its owner calls a terminal of a session: as [`SessionName`], but any 1 to 63 of those characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TerminalName(Arc<str>);

/// A command a client started in a session: 1 for the first, never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ExecId(pub u64);

/// What a client calls a command so that it is run at most once (`Idempotency-Key`): 1 to 255 visible ASCII characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CommandKey(Arc<str>);

/// A text that names nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Not an id.
    #[error("`{0}` is not a session id: 26 of 0-9 and a-v")]
    Id(String),
    /// Not a name.
    #[error(
        "`{0}` cannot be a session's name: 1 to 63 of a-z, 0-9, `.`, `_` and `-`, the first a letter or digit, and not the form of an id"
    )]
    Name(String),
    /// Not a terminal.
    #[error("`{0}` cannot be a terminal's name: 1 to 63 of a-z, 0-9, `.`, `_` and `-`, the first a letter or digit")]
    Terminal(String),
    /// Not a tenant.
    #[error("`{0}` cannot be a tenant: 1 to 63 of a-z, 0-9 and `-`, the first a letter or digit")]
    Tenant(String),
    /// Not a key.
    #[error("an idempotency key has 1 to 255 visible ASCII characters")]
    Key,
}

impl SessionId {
    /// Nobody's.
    pub const NONE: SessionId = SessionId(0);

    /// A new id.
    pub fn generate(host: &dyn Host) -> SessionId {
        let mut random = [0; 10];
        host.fill_random(&mut random);
        let millis = (host.realtime().0.max(0) as u128 / 1_000_000) & ((1 << 48) - 1);
        let random = random.iter().fold(0u128, |bits, byte| bits << 8 | u128::from(*byte));
        SessionId(millis << 80 | random)
    }

    /// As a number.
    pub fn number(self) -> u128 {
        self.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; SESSION_ID_LEN];
        for (index, character) in text.iter_mut().enumerate() {
            // 26 characters hold 130 bits; the first carries the top three.
            let shift = 125 - 5 * index as u32;
            *character = ALPHABET[(self.0 >> shift) as usize & 31];
        }
        f.write_str(std::str::from_utf8(&text).expect("the alphabet is ASCII"))
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for SessionId {
    type Err = NameError;

    fn from_str(text: &str) -> Result<SessionId, NameError> {
        let wrong = || NameError::Id(text.chars().take(NAME_MAX).collect());
        if text.len() != SESSION_ID_LEN {
            return Err(wrong());
        }
        let mut bits: u128 = 0;
        for (index, byte) in text.bytes().enumerate() {
            let value = ALPHABET.iter().position(|known| *known == byte).ok_or_else(wrong)? as u128;
            if index == 0 && value > 7 {
                return Err(wrong());
            }
            bits = bits << 5 | value;
        }
        Ok(SessionId(bits))
    }
}

impl TenantId {
    /// Whoever uses a node that knows no tenants.
    pub fn embedded() -> TenantId {
        TenantId("default".into())
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TenantId {
    type Err = NameError;

    fn from_str(text: &str) -> Result<TenantId, NameError> {
        if is_label(text, b"-") {
            Ok(TenantId(text.into()))
        } else {
            Err(NameError::Tenant(text.chars().take(NAME_MAX).collect()))
        }
    }
}

impl SessionName {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SessionName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<SessionName, NameError> {
        if is_label(text, b"-._") && text.parse::<SessionId>().is_err() {
            Ok(SessionName(text.into()))
        } else {
            Err(NameError::Name(text.chars().take(NAME_MAX).collect()))
        }
    }
}

impl TerminalName {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TerminalName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<TerminalName, NameError> {
        match is_label(text, b"-._") {
            true => Ok(TerminalName(text.into())),
            false => Err(NameError::Terminal(text.chars().take(NAME_MAX).collect())),
        }
    }
}

impl CommandKey {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for CommandKey {
    type Error = NameError;

    fn try_from(text: String) -> Result<CommandKey, NameError> {
        text.parse()
    }
}

impl FromStr for CommandKey {
    type Err = NameError;

    fn from_str(text: &str) -> Result<CommandKey, NameError> {
        let visible = (1..=KEY_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        visible.then(|| CommandKey(text.into())).ok_or(NameError::Key)
    }
}

impl From<CommandKey> for String {
    fn from(key: CommandKey) -> String {
        key.0.as_ref().to_owned()
    }
}

impl fmt::Display for ExecId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

fn is_label(text: &str, also: &[u8]) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (1..=NAME_MAX).contains(&text.len())
        && text.bytes().next().is_some_and(plain)
        && text.bytes().all(|byte| plain(byte) || also.contains(&byte))
}

/// Display, Debug and serde as text, for types that parse.
macro_rules! as_text {
    ($($type:ty),*) => {$(
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

macro_rules! shows_text {
    ($($type:ty),*) => {$(
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

as_text!(SessionId, TenantId, SessionName, TerminalName, crate::position::Position);
shows_text!(TenantId, SessionName, TerminalName);

#[cfg(test)]
mod tests;
