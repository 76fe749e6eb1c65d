//! Clocks as a guest reads them: in steps, too coarse to time what another guest's work leaves in the processor's caches.

use crate::guest::Guest;
use deno_core::{OpState, op2};
use std::time::Duration;

/// A clock's step.
pub const STEP: Duration = Duration::from_micros(100);

/// When the program began, as its session's monotonic clock has it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Began(pub Duration);

/// The last step before this time.
fn stepped(time: Duration) -> Duration {
    // Of 584 years at most.
    Duration::from_nanos((time.as_nanos() / STEP.as_nanos() * STEP.as_nanos()) as u64)
}

/// Since the program began. While the snapshot is made, nothing.
fn elapsed(state: &OpState) -> Duration {
    let (Some(guest), Some(began)) = (state.try_borrow::<Guest>(), state.try_borrow::<Began>()) else {
        return Duration::ZERO;
    };
    stepped(guest.with(|kernel, _| kernel.uptime()).saturating_sub(began.0))
}

fn put(time: Duration, out: &mut [u8]) {
    if let Some(out) = out.first_chunk_mut::<8>() {
        out[..4].copy_from_slice(&(time.as_secs() as u32).to_ne_bytes());
        out[4..].copy_from_slice(&time.subsec_nanos().to_ne_bytes());
    }
}

/// `performance.now`, and all that is computed from it: seconds and nanoseconds, of 32 bits each.
#[op2(fast)]
pub fn op_now(state: &mut OpState, #[buffer] out: &mut [u8]) {
    put(elapsed(state), out);
}

/// When that was zero, since 1970, in the same form.
#[op2(fast)]
pub fn op_time_origin(state: &mut OpState, #[buffer] out: &mut [u8]) {
    let now = state.try_borrow::<Guest>().map(|guest| guest.with(|kernel, _| kernel.now()));
    let now = now.map_or(Duration::ZERO, |now| Duration::from_nanos(now.0.max(0) as u64));
    put(stepped(now.saturating_sub(elapsed(state))), out);
}
