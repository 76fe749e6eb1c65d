//! The supervisor of a node's sessions: an actor all session actors are linked to.
//!
//! ```text
//! supervisor ──links──▶ session actor ──fails──▶ supervisor ──▶ the seat rests ──▶ woken again: a new claim and epoch
//!                                                                            └──▶ Failed, after three times in a minute
//! ```
//! What a failed actor had not acknowledged is gone; what it had is what the next claim finds. Other sessions do not
//! notice.

use crate::durability::DurabilityError;
use crate::error::SessionError;
use crate::metrics;
use crate::node::Node;
use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};
use std::sync::Weak;

/// The supervisor.
pub(crate) struct Supervisor;

/// It has nothing to be asked for.
#[derive(Debug)]
pub(crate) enum Nothing {}

impl Actor for Supervisor {
    type Msg = Nothing;
    type State = Weak<Node>;
    type Arguments = Weak<Node>;

    async fn pre_start(&self, _myself: ActorRef<Nothing>, node: Weak<Node>) -> Result<Weak<Node>, ActorProcessingErr> {
        Ok(node)
    }

    async fn handle_supervisor_evt(
        &self,
        _myself: ActorRef<Nothing>,
        event: SupervisionEvent,
        node: &mut Weak<Node>,
    ) -> Result<(), ActorProcessingErr> {
        let Some(node) = node.upgrade() else { return Ok(()) };
        match event {
            SupervisionEvent::ActorTerminated(actor, ..) => {
                node.ended(actor.get_id());
            }
            SupervisionEvent::ActorFailed(actor, reason) => {
                let Some((seat, awake)) = node.ended(actor.get_id()) else { return Ok(()) };
                let halted = awake.scribe.halted();
                if let Some(SessionError::Durability(DurabilityError::Deleted(_))) = halted {
                    // It wrote something down while it was being deleted.
                    tracing::debug!(session = %seat.id, %reason, "a session's actor ended with its session");
                } else {
                    ::metrics::counter!(metrics::FAILURES).increment(1);
                    tracing::error!(session = %seat.id, %reason, "a session's actor failed");
                }
                awake.abandon(SessionError::Failed(seat.id));
                match halted {
                    Some(SessionError::Durability(error)) => {
                        // Not a fault of the actor: whoever wants the session next finds out whether it can be had.
                        if let DurabilityError::Fenced(_) = error {
                            seat.log.forget();
                        }
                        seat.turn(crate::lifecycle::Turn::Lost);
                    }
                    _ if seat.actor_failed(&reason.to_string()) => {
                        if seat.begin_wake() {
                            node.wake(&seat);
                        }
                    }
                    _ => node.ticker.keep(&seat, crate::seat::FAILURES_WITHIN),
                }
            }
            SupervisionEvent::ActorStarted(_) | SupervisionEvent::ProcessGroupChanged(_) => {}
        }
        Ok(())
    }
}
