//! Where a session is, or is to be opened: what a gateway asks before it passes a request on.

use crate::clock;
use crate::effects::Driver;
use crate::state::core_id;
use std::sync::Arc;
use warren_cluster::record::{Record, Standing, places};
use warren_ownership::message::Event;
use warren_ownership::name::Owner;
use warren_ownership::node::Here;
use warren_ownership::place::place;
use warren_ownership::record::Standing as CoreStanding;
use warren_session::durability::DurabilityError;
use warren_session::id::{SessionId, TenantId};
use warren_storage::store::StoreError;

/// Where a request for a session goes. Only the session's record is the truth: who is asked wrongly says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// This process serves it.
    Here,
    /// This process, which lives, has it or had it last.
    At {
        /// Which.
        owner: Owner,
        /// Where it is reached.
        address: String,
    },
    /// Nobody has it: it is opened by this one, which lives and takes sessions.
    Free {
        /// Which; may be this process.
        owner: Owner,
        /// Where it is reached.
        address: String,
    },
    /// No process is known that takes sessions: it is opened here.
    Anywhere,
}

impl Driver {
    /// Where a session is: by what is served here, the hint in Redis, then its record.
    ///
    /// # Errors
    /// `Missing`, `Deleted`, `Unavailable`.
    pub(crate) async fn locate(self: &Arc<Self>, tenant: &TenantId, id: SessionId) -> Result<Place, DurabilityError> {
        if let Here::Owned(_) = self.lock().node.here(core_id(id)) {
            return Ok(Place::Here);
        }
        let hint = tokio::time::timeout(self.limits.hot, self.notices.hint(core_id(id))).await;
        if let Ok(Ok(Some((_, address)))) = hint
            && let Some(place) = self.alive(|_, known| known == address)
        {
            return Ok(place);
        }
        self.whose(tenant, id).await
    }

    /// Where a session is, by its record: for who asked where the hint said and was told that it is not there.
    ///
    /// # Errors
    /// `Missing`, `Deleted`, `Damaged`, `Unavailable`.
    pub(crate) async fn whose(&self, tenant: &TenantId, id: SessionId) -> Result<Place, DurabilityError> {
        let key = places::record(tenant, id);
        let object = tokio::time::timeout(self.limits.store, self.store.get(&key)).await;
        let object = object.map_err(|_| DurabilityError::Unavailable("the store does not answer".to_owned()))?;
        let object = object.map_err(|error| DurabilityError::Unavailable(error.to_string()))?;
        let object = object.ok_or(DurabilityError::Missing(id))?;
        let record = Record::from_bytes(id, &object.bytes)
            .map_err(|error| DurabilityError::Damaged { id, reason: error.to_string() })?;
        if matches!(record.standing, Standing::Deleted { .. }) {
            return Err(DurabilityError::Deleted(id));
        }
        let owner = record.ownership.as_ref().map(|ownership| ownership.standing);
        if owner == Some(CoreStanding::Owned(self.lock().node.me())) {
            return Ok(Place::Here);
        }
        if let Some(CoreStanding::Owned(owner)) = owner
            && let Some(place) = self.alive(|known, _| known == owner)
        {
            return Ok(place);
        }
        Ok(self.place(id))
    }

    /// Where a session that nobody has is opened, and a new one is made.
    pub(crate) fn place(&self, id: SessionId) -> Place {
        let state = self.lock();
        let placed = place(core_id(id), state.node.peers());
        let found = placed.and_then(|owner| state.peers.iter().find(|(known, _)| *known == owner));
        found.map_or(Place::Anywhere, |(owner, about)| Place::Free { owner: *owner, address: about.address.clone() })
    }

    /// Has the decisions look at sessions whose owners are not known to live.
    pub(crate) async fn look_after(self: &Arc<Self>, tenant: &TenantId) -> Result<usize, DurabilityError> {
        let unavailable = |error: StoreError| DurabilityError::Unavailable(error.to_string());
        let prefix = places::records(tenant);
        let (mut looked, mut after) = (0, None);
        loop {
            let page = self.store.list(&prefix, after.as_ref(), 1000).await.map_err(unavailable)?;
            for entry in &page.entries {
                let id = entry.key.as_str().strip_prefix(&prefix).and_then(|id| id.parse::<SessionId>().ok());
                let Some(id) = id else { continue };
                let Some(object) = self.store.get(&entry.key).await.map_err(unavailable)? else { continue };
                let Ok(record) = Record::from_bytes(id, &object.bytes) else { continue };
                let Some(CoreStanding::Owned(owner)) = record.ownership.map(|ownership| ownership.standing) else {
                    continue;
                };
                self.with(|state, jobs| {
                    let lives = owner == state.node.me() || state.node.peers().iter().any(|peer| peer.owner == owner);
                    if !lives && matches!(state.node.here(core_id(id)), Here::Nothing) {
                        looked += 1;
                        state.known(tenant, id);
                        state.handle(clock::now(), Event::Look(core_id(id)), jobs);
                    }
                });
            }
            match page.entries.last() {
                Some(last) if page.more => after = Some(last.key.clone()),
                _ => return Ok(looked),
            }
        }
    }

    /// Another process that lives.
    fn alive(&self, is: impl Fn(Owner, &str) -> bool) -> Option<Place> {
        let state = self.lock();
        let me = state.node.me();
        let found = state.peers.iter().find(|(owner, about)| *owner != me && is(*owner, &about.address));
        found.map(|(owner, about)| Place::At { owner: *owner, address: about.address.clone() })
    }
}
