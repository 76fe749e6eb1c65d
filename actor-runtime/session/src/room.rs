//! Room for one more: on the node, and in what its tenant may take. Asked for before anything is done, given back when it is
//! dropped.

use crate::account::{Account, AwakePlace, Place};
use crate::actor::Asked;
use crate::error::SessionError;
use crate::id::{SessionId, TenantId};
use crate::node::Node;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Room for a session on its way to being awake, on the node and in what its tenant may have awake.
pub(crate) type Room = (Rising, AwakePlace);

/// One that is on its way to being awake.
pub(crate) struct Rising(Arc<AtomicUsize>);

impl Drop for Rising {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Node {
    /// Room for one more that is awake, until it is; the one that has been idle longest is asked to rest.
    pub(crate) fn make_room(&self, tenant: &TenantId, id: SessionId) -> Result<Room, SessionError> {
        let place = self.accounts.of(tenant).take_awake()?;
        let longest = {
            let actors = self.actors();
            let rising = self.rising.fetch_add(1, Ordering::Relaxed);
            let rising_one = Rising(self.rising.clone());
            if actors.len().saturating_add(rising) < self.options.awake_max {
                return Ok((rising_one, place));
            }
            let idle = actors.values().filter_map(|(seat, awake)| Some((awake.idle_since()?, seat.clone())));
            idle.min_by_key(|(since, _)| *since).map(|(_, seat)| seat)
        };
        if let Some(seat) = longest {
            let _ = seat.post(Asked::HibernateIdle(Duration::ZERO));
        }
        Err(SessionError::Overloaded { id, retry_after: Duration::from_millis(500) })
    }

    /// A place for one more session of a tenant, and room for it to be awake.
    ///
    /// # Errors
    /// `Quota`, `Overloaded`; nothing was taken then.
    pub(crate) async fn make_places(&self, tenant: &TenantId, id: SessionId) -> Result<(Place, Room), SessionError> {
        let account = self.accounts.of(tenant);
        self.check_growth(&account)?;
        let place = account.take_session().await?;
        Ok((place, self.make_room(tenant, id)?))
    }

    /// Whether files of a tenant's sessions may be written or made.
    ///
    /// # Errors
    /// `DiskLow`, `Quota`.
    pub(crate) fn check_growth(&self, account: &Account) -> Result<(), SessionError> {
        if self.accounts.is_disk_low() {
            return Err(SessionError::DiskLow);
        }
        Ok(account.check_growth()?)
    }

    /// Whether commands may be run in a tenant's sessions.
    ///
    /// # Errors
    /// `DiskLow`, `Quota`.
    pub(crate) fn check_churn(&self, tenant: &TenantId) -> Result<(), SessionError> {
        if self.accounts.is_disk_low() {
            return Err(SessionError::DiskLow);
        }
        Ok(self.accounts.of(tenant).check_churn()?)
    }
}
