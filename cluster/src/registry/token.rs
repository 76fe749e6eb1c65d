//! Tokens: what a key hands on for a short time, for one session and some of what it may do itself.
//!
//! ```text
//! wrt_ payload _ MAC        payload: tenant, key, session, scopes, when it ends (MessagePack, base32)
//! ```
//! Nothing is kept of a token. It ends with its time, with the key it was made with, and with that key's tenant.

use super::text::KeyId;
use super::{AuthError, Caller, Inner, Registry, RegistryError, Scopes, base32};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use subtle::ConstantTimeEq;
use warren_kernel::host::Timestamp;
use warren_session::id::{SessionId, TenantId};

/// What a token's text begins with.
pub const TOKEN_PREFIX: &str = "wrt_";
/// How long a token lives, at most.
pub const TOKEN_LIFE_MAX: Duration = Duration::from_secs(3600);
const VERSION: u8 = 1;

/// A token to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenAsked {
    /// The session it is for.
    pub session: SessionId,
    /// What it may do there.
    pub scopes: Scopes,
    /// How long it lives.
    pub life: Duration,
}

#[derive(Serialize, Deserialize)]
struct Payload {
    version: u8,
    tenant: TenantId,
    key: KeyId,
    session: SessionId,
    scopes: Scopes,
    ends: Timestamp,
}

impl Registry {
    /// Makes a token of what `caller` may do, and says when it ends.
    ///
    /// # Errors
    /// `Invalid` for no scopes, for scopes the caller has not or that reach beyond a session, for too long a life, and
    /// for a caller that has a token itself.
    pub fn mint(&self, caller: &Caller, asked: &TokenAsked) -> Result<(String, Timestamp), RegistryError> {
        let invalid = |field, reason: String| Err(RegistryError::Invalid { field, reason });
        if caller.session.is_some() {
            return invalid("token", "a token makes no tokens".to_owned());
        }
        let allowed = caller.scopes.and(Scopes::of_a_session());
        if asked.scopes.is_empty() || !allowed.cover(asked.scopes) {
            return invalid("scopes", format!("has to be at least one of: {allowed}"));
        }
        if asked.life.is_zero() || asked.life > TOKEN_LIFE_MAX {
            return invalid("life", format!("is at most {} s, and more than nothing", TOKEN_LIFE_MAX.as_secs()));
        }
        let ends = super::after(self.now(), asked.life);
        let payload = Payload {
            version: VERSION,
            tenant: caller.tenant.clone(),
            key: caller.key,
            session: asked.session,
            scopes: asked.scopes,
            ends,
        };
        let bytes = rmp_serde::to_vec(&payload).expect("plain data always has a MessagePack form");
        let mac = self.inner.mac(&bytes);
        Ok((format!("{TOKEN_PREFIX}{}_{}", base32::encode(&bytes), base32::encode(&mac)), ends))
    }
}

impl Inner {
    pub(super) async fn caller_of_token(&self, bearer: &str) -> Result<Caller, AuthError> {
        let payload = self.open_token(bearer).ok_or(AuthError::Refused)?;
        if self.host.realtime() >= payload.ends {
            return Err(AuthError::Refused);
        }
        let key = self.living_key(payload.key).await?;
        if key.tenant != payload.tenant {
            return Err(AuthError::Refused);
        }
        Ok(Caller {
            tenant: payload.tenant,
            key: payload.key,
            // Also what the key has lost since.
            scopes: payload.scopes.and(key.scopes),
            session: Some(payload.session),
        })
    }

    /// Whether a token is ours, over or not.
    pub(super) fn is_token(&self, bearer: &str) -> bool {
        self.open_token(bearer).is_some()
    }

    /// What a token says, once it is known to be ours.
    fn open_token(&self, bearer: &str) -> Option<Payload> {
        let (payload, mac) = bearer.strip_prefix(TOKEN_PREFIX)?.split_once('_')?;
        let bytes = base32::decode(payload)?;
        let mac: [u8; 32] = base32::decode_array(mac)?;
        if !bool::from(mac.ct_eq(&self.mac(&bytes))) {
            return None;
        }
        rmp_serde::from_slice::<Payload>(&bytes).ok().filter(|payload| payload.version == VERSION)
    }

    /// BLAKE3 with a key is a MAC by itself.
    fn mac(&self, bytes: &[u8]) -> [u8; 32] {
        *blake3::keyed_hash(&self.token_key, bytes).as_bytes()
    }
}
