//! How a session ends: because somebody wants it gone, or because its time is over.

use super::{AGAIN_AFTER, ATTEMPTS, Node, Unanswered};
use crate::actor::Asked;
use crate::durability::{DurabilityError, Summary};
use crate::error::SessionError;
use crate::id::{SessionId, TenantId};
use crate::lifecycle::{Life, Turn};
use std::sync::Arc;
use std::time::Duration;
use warren_wasi_posix::system::SystemHost;

/// Why a session is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Occasion {
    /// Somebody wants it gone.
    Asked,
    /// Its time is over, unless it was given more since.
    Expired,
}

impl Node {
    pub(crate) async fn delete(self: &Arc<Self>, tenant: &TenantId, id: SessionId) -> Result<(), SessionError> {
        self.delete_if(tenant, id, Occasion::Asked).await
    }

    async fn delete_if(
        self: &Arc<Self>,
        tenant: &TenantId,
        id: SessionId,
        occasion: Occasion,
    ) -> Result<(), SessionError> {
        if self.delete_it(tenant, id, occasion).await? {
            self.ticker.stays(id);
            self.accounts.of(tenant).session_gone(id);
        }
        Ok(())
    }

    /// Whether it is gone.
    async fn delete_it(
        self: &Arc<Self>,
        tenant: &TenantId,
        id: SessionId,
        occasion: Occasion,
    ) -> Result<bool, SessionError> {
        let seat = self.seat(tenant, id);
        for _ in 0..ATTEMPTS {
            if seat.begin_wake() {
                // Nobody wakes it meanwhile.
                if occasion == Occasion::Expired && !self.is_over(tenant, id).await {
                    // It was given more time since: those who wait for it have it, and it rests when it is idle.
                    self.wake(&seat);
                    return Ok(false);
                }
                let deleted = self.durability.delete(tenant, id).await;
                return match deleted {
                    Ok(()) => {
                        seat.log.end();
                        seat.turn(Turn::Gone);
                        Ok(true)
                    }
                    Err(error) => {
                        seat.wake_ended(Err(error.clone().into()));
                        Err(error.into())
                    }
                };
            }
            if seat.look(|life| matches!(life, Life::Deleted)) {
                return Err(DurabilityError::Deleted(id).into());
            }
            let asked = match occasion {
                Occasion::Asked => self.ask(&seat, Asked::Delete).await.map(|()| true),
                Occasion::Expired => self.ask(&seat, Asked::Expire).await,
            };
            match asked {
                Ok(gone) => return Ok(gone),
                Err(Unanswered::Refused(error)) => return Err(error),
                Err(Unanswered::Left) => {}
            }
            // It failed, is on its way up, or has just come to rest.
            tokio::time::sleep(AGAIN_AFTER).await;
        }
        Err(SessionError::Failed(id))
    }

    /// A session's time is over.
    pub(crate) fn expired(self: &Arc<Self>, tenant: TenantId, id: SessionId) {
        let node = self.clone();
        self.runtime.spawn(async move {
            match node.delete_if(&tenant, id, Occasion::Expired).await {
                Ok(()) | Err(SessionError::Durability(DurabilityError::Deleted(_) | DurabilityError::Missing(_))) => {}
                Err(error) => {
                    tracing::warn!(session = %id, %error, "a session whose time is over could not be deleted");
                    node.ticker.expire(&tenant, id, Duration::from_secs(60));
                }
            }
        });
    }

    /// Whether a session's time is over. One that cannot be looked at is tried to be deleted, and says why it is not.
    async fn is_over(&self, tenant: &TenantId, id: SessionId) -> bool {
        let known = self.durability.describe(tenant, id).await;
        known.map_or(true, |known| self.life_left(&known) == Some(Duration::ZERO))
    }

    /// A session is to be deleted when it says, or no more.
    pub(crate) fn expires(&self, tenant: &TenantId, summary: &Summary) {
        match self.life_left(summary) {
            Some(life) => self.ticker.expire(tenant, summary.id, life),
            None => self.ticker.stays(summary.id),
        }
    }

    /// How long it has still to live; `None` is without end.
    pub(crate) fn life_left(&self, summary: &Summary) -> Option<Duration> {
        let expires = summary.expires?;
        let now = warren_kernel::host::Host::realtime(&SystemHost);
        Some(Duration::from_nanos(u64::try_from(expires.0.saturating_sub(now.0)).unwrap_or(0)))
    }
}
