//! Watching files: a queue of the kernel's that tells what becomes of them, read as any descriptor is.

use crate::guest::Guest;
use crate::ops::net::numbered;
use crate::ops::stream::{descriptor, done, uv};
use deno_core::{OpState, op2};

/// A queue that watches nothing yet: its descriptor.
#[op2(fast)]
pub fn op_warren_watch_open(state: &mut OpState) -> i32 {
    numbered(state.borrow::<Guest>().with(|kernel, call| kernel.open_watch(call, true, true)))
}

/// Watches a file, or a directory and the names in it; a link at the end is followed. The number of the watch.
#[op2(fast)]
pub fn op_warren_watch_add(state: &mut OpState, fd: i32, #[string] path: &str) -> i32 {
    let guest = state.borrow::<Guest>().clone();
    guest.call(|kernel, call| kernel.add_watch(call, descriptor(fd), path.as_bytes(), true)).unwrap_or_else(uv)
}

/// Ends a watch.
#[op2(fast)]
pub fn op_warren_watch_remove(state: &mut OpState, fd: i32, watch: i32) -> i32 {
    done(state.borrow::<Guest>().with(|kernel, call| kernel.remove_watch(call, descriptor(fd), watch)))
}
