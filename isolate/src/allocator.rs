//! The allocator of a server that runs guests: what there is no memory for ends the guest that wanted it, where the standard library's
//! would end the process.

use crate::turns::exhaust_here;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use warren_isolate_extensions::guest::is_in_kernel;

/// More than this at once is not given to a guest's threads: their native code asks for as much as a program says.
const AT_ONCE_MAX: usize = 2 << 30;

thread_local! {
    /// This thread works for a guest: it runs one, or what blocks one.
    static FOR_GUEST: Cell<bool> = const { Cell::new(false) };
}

/// From now on this thread works for a guest.
pub(crate) fn is_for_guest() {
    FOR_GUEST.set(true);
}

/// The system's allocator, to be the server's (`#[global_allocator]`).
#[derive(Clone, Copy, Debug, Default)]
pub struct Allocator;

impl Allocator {
    /// What is given, if something is; else a guest's thread does not come back.
    #[inline]
    fn given(block: *mut u8) -> *mut u8 {
        if block.is_null() {
            none_left();
        }
        block
    }

    #[inline]
    fn look(size: usize) {
        if size > AT_ONCE_MAX {
            none_left();
        }
    }
}

/// There is no memory for what this thread wants, or it is too much at once.
#[cold]
fn none_left() {
    // A thread that stood still with its session's kernel would have all others of the session wait.
    if !FOR_GUEST.try_with(Cell::get).unwrap_or(false) || is_in_kernel() {
        return;
    }
    exhaust_here("FATAL ERROR: native code is out of memory");
    // A thread that blocks for a guest: what it was to do is never done.
    loop {
        std::thread::park();
    }
}

// SAFETY: all of it is the system's; what is looked at before and after changes nothing of it, and does not unwind.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Allocator::look(layout.size());
        // SAFETY: what is asked of the caller is asked of this one's.
        Allocator::given(unsafe { System.alloc(layout) })
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        Allocator::look(layout.size());
        // SAFETY: as above.
        Allocator::given(unsafe { System.alloc_zeroed(layout) })
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        Allocator::look(size);
        // SAFETY: as above.
        Allocator::given(unsafe { System.realloc(block, layout, size) })
    }
}
