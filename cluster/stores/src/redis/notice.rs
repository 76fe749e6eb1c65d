//! Hints and notices: nothing rests on any of them. A hint that is missing or wrong costs a read of the record; a wake that is
//! lost, the next look; a quota that Redis forgot, is full again.
use super::connection::{Redis, Trouble};
use futures_util::StreamExt;
use redis::{Script, Value, cmd};
use std::time::Duration;
use warren_ownership::name::SessionId;
use warren_ownership::position::Epoch;

/// Who listens and hears nothing for this long asks whether the other end is there.
const QUIET: Duration = Duration::from_secs(15);
/// A hint nobody renews is forgotten after this.
const HINT: Duration = Duration::from_secs(3600);

/// What nodes tell each other through a Redis. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Notices {
    redis: Redis,
    hint: Script,
    quota: Script,
}

/// How much of something there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Pieces in a second, on average.
    pub per_s: u32,
    /// Pieces at once.
    pub burst: u32,
}

/// Sessions that somebody wants awake.
pub struct Wakes {
    listening: redis::aio::PubSub,
    quiet: Duration,
    answer: Duration,
}

impl std::fmt::Debug for Wakes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Wakes")
    }
}

impl Notices {
    /// Those of a Redis.
    pub fn new(redis: Redis) -> Notices {
        let (hint, quota) = (include_str!("scripts/hint.lua"), include_str!("scripts/quota.lua"));
        Notices { redis, hint: Script::new(hint), quota: Script::new(quota) }
    }

    /// Says where a session is. Whether it was taken: one of a later epoch stays.
    ///
    /// # Errors
    /// When it cannot be said.
    pub async fn set_hint(&self, session: SessionId, epoch: Epoch, address: &str) -> Result<bool, Trouble> {
        let mut script = self.hint.key(self.redis.key(&format!("d:{:032x}", session.0)));
        script.arg(epoch.get()).arg(HINT.as_millis() as u64).arg(address);
        Ok(self.redis.run(&script, self.redis.answer_in()).await? == Value::Int(1))
    }

    /// Where a session was said to be.
    ///
    /// # Errors
    /// When it cannot be said.
    pub async fn hint(&self, session: SessionId) -> Result<Option<(Epoch, String)>, Trouble> {
        let mut get = cmd("GET");
        get.arg(self.redis.key(&format!("d:{:032x}", session.0)));
        let Value::BulkString(bytes) = self.redis.command(&get, self.redis.answer_in()).await? else { return Ok(None) };
        let text = String::from_utf8_lossy(&bytes);
        let parsed = text
            .split_once(' ')
            .and_then(|(epoch, address)| Some((Epoch::new(epoch.parse().ok()?)?, address.to_owned())));
        Ok(parsed)
    }

    /// Tells all nodes that listen that somebody wants a session awake.
    ///
    /// # Errors
    /// When it cannot be told.
    pub async fn wake(&self, session: SessionId) -> Result<(), Trouble> {
        let mut publish = cmd("PUBLISH");
        publish.arg(self.redis.key("wake")).arg(format!("{:032x}", session.0));
        self.redis.command(&publish, self.redis.answer_in()).await?;
        Ok(())
    }

    /// Listens for wakes, from now until the connection breaks.
    ///
    /// # Errors
    /// When there is no connection.
    pub async fn wakes(&self) -> Result<Wakes, Trouble> {
        self.wakes_within(QUIET).await
    }

    /// The same, but asks whether the other end is there when nothing was heard for `quiet`.
    ///
    /// # Errors
    /// When there is no connection.
    pub async fn wakes_within(&self, quiet: Duration) -> Result<Wakes, Trouble> {
        let listening = self.redis.listen(&self.redis.key("wake")).await?;
        Ok(Wakes { listening, quiet, answer: self.redis.answer_in() })
    }

    /// Takes pieces of a quota by its name. `Ok(None)`: taken; a time: until then there are not so many; `Duration::MAX`: there
    /// never are.
    ///
    /// # Errors
    /// When it cannot be said.
    pub async fn take(&self, name: &str, quota: Quota, pieces: u32) -> Result<Option<Duration>, Trouble> {
        let mut script = self.quota.key(self.redis.key(&format!("q:{name}")));
        script.arg(quota.per_s.max(1)).arg(quota.burst).arg(pieces);
        match self.redis.run(&script, self.redis.answer_in()).await? {
            Value::Int(0) => Ok(None),
            Value::Int(micros) => Ok(Some(u64::try_from(micros).map_or(Duration::MAX, Duration::from_micros))),
            _ => Err(Trouble::Hopeless("the Redis did not answer with a number".to_owned())),
        }
    }
}

impl Wakes {
    /// The next session; `None` when the connection is broken or the other end silent, and what was told meanwhile is lost.
    pub async fn next(&mut self) -> Option<SessionId> {
        loop {
            let heard = tokio::time::timeout(self.quiet, self.listening.on_message().next()).await;
            let Ok(message) = heard else {
                let asked = tokio::time::timeout(self.answer, self.listening.ping::<Value>()).await;
                asked.ok()?.ok()?;
                continue;
            };
            let message = message?;
            let id = std::str::from_utf8(message.get_payload_bytes()).ok();
            if let Some(id) = id.and_then(|text| u128::from_str_radix(text, 16).ok()) {
                return Some(SessionId(id));
            }
        }
    }
}
