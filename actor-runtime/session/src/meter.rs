//! What sessions used, for whoever charges for it: told in parts, each once.
//!
//! ```text
//! every few seconds, and when a session rests ─▶ what its kernel says now - what it said last ─▶ Meter
//! ```

use crate::awake::Awake;
use crate::id::{SessionId, TenantId};
use crate::lifecycle::Life;
use crate::node::Node;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

/// What a session used since it was last told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// Processor time of its guests.
    pub cpu: Duration,
    /// Bytes of memory times nanoseconds.
    pub memory_byte_ns: u128,
    /// Events of its log.
    pub events: u64,
    /// Bytes it sent to the outside.
    pub egress_bytes: u64,
    /// Bytes it received from there.
    pub ingress_bytes: u64,
}

/// Is told what sessions used.
pub trait Meter: Send + Sync {
    /// A session used this beside what was told before. Called under no lock, and must not wait.
    fn used(&self, tenant: &TenantId, session: SessionId, used: Used);
}

/// Counts nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoMeter;

impl Meter for NoMeter {
    fn used(&self, _: &TenantId, _: SessionId, _: Used) {}
}

/// Where a session's counts stood when it was last measured.
#[derive(Debug)]
pub(crate) struct Measured {
    at: Instant,
    cpu: Duration,
    events: u64,
    moved: (u64, u64),
}

impl Measured {
    /// Of a kernel that has just begun; the last event before it had this number.
    pub(crate) fn begin(at: Instant, events: u64) -> Measured {
        Measured { at, cpu: Duration::ZERO, events, moved: (0, 0) }
    }
}

impl Node {
    /// Tells what a session used since it was last measured. What its memory was in between is taken to be what it is now.
    pub(crate) fn measure(&self, awake: &Awake, now: Instant) {
        let (cpu, memory, inodes) =
            awake.session.with(|kernel| (kernel.cpu_used(), kernel.memory_used(), kernel.root().used().inodes));
        let events = awake.scribe.last().seq;
        let moved = awake.way.moved();
        let used = {
            let mut before = awake.measured.lock().unwrap_or_else(PoisonError::into_inner);
            let used = Used {
                cpu: cpu.saturating_sub(before.cpu),
                memory_byte_ns: u128::from(memory) * now.saturating_duration_since(before.at).as_nanos(),
                events: events.saturating_sub(before.events),
                egress_bytes: moved.0.saturating_sub(before.moved.0),
                ingress_bytes: moved.1.saturating_sub(before.moved.1),
            };
            *before = Measured {
                at: now.max(before.at),
                cpu: cpu.max(before.cpu),
                events: events.max(before.events),
                moved: (moved.0.max(before.moved.0), moved.1.max(before.moved.1)),
            };
            used
        };
        if used != Used::default() {
            self.options.meter.used(&awake.tenant, awake.id, used);
        }
        let account = self.accounts.of(&awake.tenant);
        account.set_inodes(awake.id, inodes);
        // In this order: whoever deletes it says so after its life has ended.
        if awake.seat.upgrade().is_none_or(|seat| seat.look(|life| matches!(life, Life::Deleted))) {
            account.forget_inodes(awake.id);
        }
    }
}
