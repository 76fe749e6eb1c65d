//! The turns themselves. Each is exclusive: the actor makes one at a time, and those that end processes or leave close
//! the gate first.

use super::{Asked, Next, Reply, Then};
use crate::account::Place;
use crate::awake::{Awake, Choices};
use crate::change::Change;
use crate::durability::{Checkpoint, Claimed, DurabilityError, Files, Keep, NewSession};
use crate::error::SessionError;
use crate::event::{Event, State, What};
use crate::id::SessionName;
use crate::lifecycle::Turn;
use crate::node::Node;
use crate::position::Position;
use crate::seat::Seat;
use crate::template::{check, materialise, refuse, way_out};
use futures_util::FutureExt;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::Arc;
use std::time::Duration;
use warren_kernel::vfs::change::apply;

/// Bytes of a checkpoint's name, at most.
const CHECKPOINT_NAME_MAX: usize = 256;

/// Makes a turn.
pub(super) async fn take(node: &Arc<Node>, seat: &Arc<Seat>, awake: &Arc<Awake>, asked: Asked) -> Next {
    match asked {
        Asked::Hibernate(reply) => leave(answer(awake, reply, hibernate(node, seat, awake)).await),
        Asked::HibernateIdle(idle) => {
            if awake.idle_since().is_none_or(|since| since.elapsed() < idle) {
                return Next::Stay;
            }
            match hibernate(node, seat, awake).await {
                Ok(()) => Next::Leave,
                Err(error) => {
                    tracing::warn!(session = %awake.id, %error, "an idle session could not be put to rest");
                    Next::Stay
                }
            }
        }
        Asked::Delete(reply) => leave(answer(awake, reply, delete(seat, awake)).await),
        Asked::Expire(reply) => {
            let mut next = Next::Stay;
            let turn = async {
                let known = node.durability.describe(&seat.tenant, seat.id).await?;
                // It was given more time since.
                if node.life_left(&known) != Some(Duration::ZERO) {
                    return Ok(false);
                }
                delete(seat, awake).await?;
                next = Next::Leave;
                Ok(true)
            };
            answer(awake, reply, turn).await;
            next
        }
        Asked::Update(change, then, reply) => {
            let mut next = Next::Stay;
            let turn = async {
                update(node, seat, awake, &change).await?;
                if then == Then::Rest && awake.idle_since().is_some() {
                    next = leave(hibernate(node, seat, awake).await.is_ok());
                }
                Ok(())
            };
            answer(awake, reply, turn).await;
            next
        }
        Asked::Checkpoint(name, reply) => stay(answer(awake, reply, checkpoint(node, awake, name)).await),
        Asked::Rollback(number, reply) => stay(answer(awake, reply, rollback(awake, number)).await),
        Asked::Fork(name, place, reply) => stay(answer(awake, reply, fork(seat, awake, name, place)).await),
    }
}

/// Makes a turn and tells whoever asked; whether it was made. Of one that panics too, once nobody is let in any more.
async fn answer<T>(awake: &Awake, reply: Reply<T>, turn: impl Future<Output = Result<T, SessionError>>) -> bool {
    match AssertUnwindSafe(turn).catch_unwind().await {
        Ok(made) => {
            let is_made = made.is_ok();
            let _ = reply.send(made);
            is_made
        }
        Err(panic) => {
            awake.shut();
            let _ = reply.send(Err(SessionError::Failed(awake.id)));
            resume_unwind(panic)
        }
    }
}

fn leave(is_made: bool) -> Next {
    if is_made { Next::Leave } else { Next::Stay }
}

fn stay(_: bool) -> Next {
    Next::Stay
}

async fn hibernate(node: &Node, seat: &Seat, awake: &Arc<Awake>) -> Result<(), SessionError> {
    if !seat.turn(Turn::Leave(State::Hibernating)) {
        return Err(SessionError::Failed(awake.id));
    }
    let rested = rest(node, awake).await;
    match &rested {
        Ok(()) => {
            let id = awake.id;
            awake.scribe.retire(SessionError::WrongState { id, state: State::Hibernated });
            seat.log.shrink();
            // Before whoever asked for it is told: they may want the place.
            awake.gave_up_place();
            seat.turn(Turn::Rested);
        }
        // It goes on, and says so.
        Err(_) if awake.scribe.halted().is_none() => {
            awake.note(vec![What::Lifecycle { state: State::Active }]);
            seat.turn(Turn::Returned);
            awake.open();
        }
        Err(_) => {}
    }
    rested
}

async fn rest(node: &Node, awake: &Arc<Awake>) -> Result<(), SessionError> {
    awake.close().await;
    awake.note(vec![What::Lifecycle { state: State::Hibernating }]);
    awake.end_processes(node.options.grace).await?;
    awake.terminals.drained().await;
    let (point, ticket) = awake.scribe.point(vec![What::Lifecycle { state: State::Hibernated }])?;
    awake.scribe.wait(&ticket).await?;
    let claim = awake.scribe.claim()?;
    Ok(claim.hibernate(point).await?)
}

async fn delete(seat: &Seat, awake: &Arc<Awake>) -> Result<(), SessionError> {
    let id = awake.id;
    seat.turn(Turn::Leave(State::Deleted));
    awake.close().await;
    let deleted = async {
        awake.end_processes(Duration::ZERO).await?;
        let claim = awake.scribe.claim()?;
        Ok(claim.delete().await?)
    };
    let deleted: Result<(), SessionError> = deleted.await;
    if let Err(error) = deleted {
        if awake.scribe.halted().is_none() {
            seat.turn(Turn::Returned);
            awake.open();
        }
        return Err(error);
    }
    let gone = SessionError::Durability(DurabilityError::Deleted(id));
    let last = awake.scribe.last();
    awake.scribe.retire(gone.clone());
    awake.execs.fail(&gone);
    let position = Position { epoch: awake.scribe.epoch(), seq: last.seq + 1 };
    let time = awake.session.with(|kernel| kernel.now());
    seat.log.publish([Event { position, time, what: What::Lifecycle { state: State::Deleted } }]);
    seat.log.end();
    awake.gave_up_place();
    seat.turn(Turn::Gone);
    Ok(())
}

async fn update(node: &Arc<Node>, seat: &Seat, awake: &Arc<Awake>, change: &Change) -> Result<(), SessionError> {
    let known = node.durability.describe(&seat.tenant, seat.id).await?;
    let changed = change.over(&known, &awake.choices().spec);
    if changed.fields.is_empty() {
        return Ok(());
    }
    check(&changed.spec)?;
    let chosen = node.options.software.node(changed.spec.software.as_deref());
    let (base, _) = chosen.map_err(SessionError::Software)?;
    let template = materialise(&changed.spec, base.template())?;
    let rules = way_out(&changed.spec)?;
    let spec = Arc::new(changed.spec);
    awake.scribe.claim()?.amend(changed.name.clone(), spec.clone()).await?;
    awake.choose(Choices { spec, template });
    awake.way.set_rules(rules);
    let known = node.durability.describe(&seat.tenant, seat.id).await?;
    node.expires(&seat.tenant, &known);
    node.ticker.woken(awake);
    let fields = changed.fields.into_iter().map(str::to_owned).collect();
    awake.acknowledge(vec![What::Updated { name: changed.name, fields }]).await
}

async fn checkpoint(node: &Node, awake: &Arc<Awake>, name: Option<String>) -> Result<Checkpoint, SessionError> {
    if name.as_ref().is_some_and(|name| name.is_empty() || name.len() > CHECKPOINT_NAME_MAX) {
        return refuse("name", format!("a checkpoint's name has 1 to {CHECKPOINT_NAME_MAX} bytes"));
    }
    node.accounts.of(&awake.tenant).check_checkpoints(awake.scribe.claim()?.checkpoints().len())?;
    let number = awake.scribe.next_checkpoint();
    let (point, ticket) = awake.scribe.point(Vec::new())?;
    let time = awake.session.with(|kernel| kernel.now());
    let claim = awake.scribe.claim()?;
    awake.scribe.wait(&ticket).await?;
    let made = claim.checkpoint(point.clone(), Some(Keep { number, name: name.clone(), time })).await?;
    awake.scribe.kept(&point);
    awake.acknowledge(vec![What::Checkpointed { checkpoint: number, name }]).await?;
    Ok(made)
}

async fn rollback(awake: &Arc<Awake>, number: u64) -> Result<(), SessionError> {
    let files = awake.scribe.claim()?.rollback(number).await?;
    awake.close().await;
    let rolled_back = back_to(awake, number, files).await;
    awake.open();
    rolled_back
}

async fn back_to(awake: &Arc<Awake>, number: u64, files: Files) -> Result<(), SessionError> {
    awake.end_processes(Duration::ZERO).await?;
    let layer = awake.template.layer.inodes();
    let damaged = |errno: warren_kernel::Errno| {
        let reason = format!("checkpoint {number} does not fit the session's software ({})", errno.name());
        SessionError::Durability(DurabilityError::Damaged { id: awake.id, reason })
    };
    let tree = match files {
        Files::Fresh => layer,
        Files::Live { inodes, .. } => inodes,
        Files::Stored { delta, blobs, then } => {
            let first = apply(&layer, &delta, &blobs).map_err(damaged)?;
            then.iter().try_fold(first, |tree, delta| apply(&tree, delta, &blobs)).map_err(damaged)?
        }
    };
    let replaced = awake.session.with(|kernel| kernel.replace_root(tree));
    replaced.map_err(|_| SessionError::Busy { id: awake.id, left: awake.processes() })?;
    awake.acknowledge(vec![What::RolledBack { checkpoint: number }]).await
}

async fn fork(
    seat: &Seat,
    awake: &Arc<Awake>,
    name: Option<SessionName>,
    place: Arc<Place>,
) -> Result<Claimed, SessionError> {
    let (point, ticket) = awake.scribe.point(Vec::new())?;
    let created = awake.session.with(|kernel| kernel.now());
    let child = place.id().ok_or(SessionError::Failed(awake.id))?;
    let new = NewSession {
        tenant: seat.tenant.clone(),
        id: child,
        name,
        spec: awake.choices().spec.clone(),
        created,
        forked_from: Some(awake.id),
    };
    let claim = awake.scribe.claim()?;
    awake.scribe.wait(&ticket).await?;
    let claimed = claim.fork(point.clone(), new).await?;
    // Here, and not where it was asked for: whoever asked may be gone.
    place.keep();
    awake.scribe.kept(&point);
    awake.acknowledge(vec![What::Forked { child }]).await?;
    Ok(claimed)
}
