//! Following a session's log: from a cursor, through memory or what is kept, and on over hibernations and wakes.
//!
//! ```text
//! cursor ─▶ in memory? ─▶ yes: events      kept? ─▶ Durability::events      at the head: wait
//! ```
//! A client's next event has the number after the one before. Where it has not, the client is told once: what it should
//! have seen is no longer kept, or what it saw was lost with an owner before it was safe.

use crate::durability::DurabilityError;
use crate::error::SessionError;
use crate::event::Event;
use crate::log::Look;
use crate::node::Node;
use crate::position::Position;
use crate::seat::Seat;
use crate::sessions::Seen;
use futures_util::stream::{BoxStream, StreamExt, unfold};
use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use tokio::sync::OwnedSemaphorePermit;

/// Bytes of kept events taken into memory at once.
const PAGE: usize = 256 * 1024;

struct Follower {
    node: Weak<Node>,
    seat: Arc<Seat>,
    cursor: Position,
    ready: VecDeque<Seen>,
    over: bool,
    _place: OwnedSemaphorePermit,
}

/// Events after `after`, then those to come.
///
/// # Errors
/// `Overloaded` when as many follow it as may.
pub(crate) fn follow(
    node: &Arc<Node>,
    seat: Arc<Seat>,
    after: Option<Position>,
) -> Result<BoxStream<'static, Result<Seen, SessionError>>, SessionError> {
    let follower = Follower {
        _place: seat.follow()?,
        node: Arc::downgrade(node),
        seat,
        cursor: after.unwrap_or(Position::START),
        ready: VecDeque::new(),
        over: false,
    };
    let seen = unfold(follower, |mut follower| async move {
        let next = follower.next().await?;
        Some((next, follower))
    });
    Ok(seen.boxed())
}

impl Follower {
    async fn next(&mut self) -> Option<Result<Seen, SessionError>> {
        loop {
            if let Some(seen) = self.ready.pop_front() {
                return Some(Ok(seen));
            }
            if self.over {
                return None;
            }
            if let Err(error) = self.fill().await {
                self.over = true;
                return Some(Err(error));
            }
        }
    }

    /// Looks for what comes next, or waits for it.
    async fn fill(&mut self) -> Result<(), SessionError> {
        let seat = self.seat.clone();
        let grown = seat.log.grown();
        tokio::pin!(grown);
        grown.as_mut().enable();
        match seat.log.look(self.cursor) {
            Look::Events(events) => self.add(events),
            Look::Older(head) => {
                if !self.add_kept(Some(head)).await? {
                    // Neither in memory nor kept: a scratch session's, or given up.
                    let (events, _) = seat.log.since(self.cursor);
                    match events.is_empty() {
                        true => self.lose_until(head),
                        false => self.add(events),
                    }
                }
            }
            Look::Beyond(head) => self.lose_beyond(head),
            Look::Head => self.wait(grown).await,
            Look::Unknown => {
                if !self.add_kept(None).await? {
                    let node = self.node.upgrade().ok_or(SessionError::ShuttingDown)?;
                    let kept = node.durability.describe(&seat.tenant, seat.id).await?;
                    if self.cursor > kept.position {
                        self.lose_beyond(kept.position);
                    } else if kept.state == crate::event::State::Deleted {
                        self.over = true;
                    } else {
                        self.wait(grown).await;
                    }
                }
            }
            Look::Over => self.over = true,
        }
        Ok(())
    }

    /// Adds what is kept after the cursor, up to `head`; whether there was anything.
    async fn add_kept(&mut self, head: Option<Position>) -> Result<bool, SessionError> {
        let Some(node) = self.node.upgrade() else {
            self.over = true;
            return Ok(true);
        };
        let past = match node.durability.events(&self.seat.tenant, self.seat.id, self.cursor, PAGE).await {
            Err(DurabilityError::Deleted(_)) => {
                self.over = true;
                return Ok(true);
            }
            past => past?,
        };
        // What is kept and not yet as safe as promised waits for its turn.
        let sendable = |event: &Event| head.is_none_or(|head| event.position <= head);
        let events: Vec<Event> = past.events.into_iter().take_while(sendable).collect();
        let any = !events.is_empty();
        self.add(events);
        Ok(any)
    }

    fn add(&mut self, events: Vec<Event>) {
        for event in events {
            let expected = self.cursor.seq + 1;
            let seq = event.position.seq;
            if seq > expected {
                self.ready.push_back(Seen::Resync { from: expected, to: seq - 1 });
            } else if seq < expected {
                // The client saw what an owner lost; its successor gave the numbers again.
                self.ready.push_back(Seen::Resync { from: seq, to: self.cursor.seq });
            }
            self.cursor = event.position;
            self.ready.push_back(Seen::Event(event));
        }
    }

    /// The cursor is behind the last event there is: what the client saw was lost.
    fn lose_beyond(&mut self, head: Position) {
        let from = (head.seq + 1).min(self.cursor.seq);
        self.ready.push_back(Seen::Resync { from, to: self.cursor.seq });
        self.cursor = head;
    }

    /// Nothing up to `head` can be had any more.
    fn lose_until(&mut self, head: Position) {
        self.ready.push_back(Seen::Resync { from: self.cursor.seq + 1, to: head.seq.max(self.cursor.seq + 1) });
        self.cursor = head;
    }

    /// Waits for something new, or for the node to stop.
    async fn wait(&mut self, grown: impl Future<Output = ()>) {
        let Some(stopping) = self.node.upgrade().map(|node| node.stopped.clone()) else {
            self.over = true;
            return;
        };
        tokio::select! {
            () = grown => {}
            () = stopping.wait() => self.over = true,
        }
    }
}
