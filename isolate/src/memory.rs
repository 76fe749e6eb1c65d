//! Memory of one isolate that is not its heap's: what the buffers of its scripts take.
//!
//! A buffer is refused before it is there, so no script can have more written than it may have. Who asks for much gets the error of
//! an allocation that failed; a little more than there is room for is given, since native code ends the process without it, and
//! the guest ends.

use crate::turns::ask_here;
use deno_core::v8;
use std::alloc::{Layout, alloc, alloc_zeroed, dealloc};
use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// A request up to this size is not refused.
const GRANTED_BYTES_MAX: usize = 16 << 20;
/// What the allocator aligns to.
const ALIGN: usize = 16;

/// What an isolate's buffers take.
#[derive(Debug)]
pub(crate) struct Buffers {
    used: AtomicUsize,
    max: usize,
    over: AtomicBool,
}

impl Buffers {
    /// For an isolate whose buffers may take so many bytes.
    pub(crate) fn new(max: usize) -> Arc<Buffers> {
        Arc::new(Buffers { used: AtomicUsize::new(0), max, over: AtomicBool::new(false) })
    }

    /// Whether more was given than it may have.
    pub(crate) fn are_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    /// The allocator that counts here.
    pub(crate) fn allocator(self: &Arc<Buffers>) -> v8::UniqueRef<v8::Allocator> {
        // SAFETY: the handle is of the type that the functions of the table take, and is dropped by the table's own.
        unsafe { v8::new_rust_allocator(Arc::into_raw(self.clone()), &TABLE) }
    }

    fn take(&self, length: usize) -> bool {
        let fits = |used: usize| used.checked_add(length).filter(|used| *used <= self.max);
        if self.used.fetch_update(Ordering::AcqRel, Ordering::Acquire, fits).is_ok() {
            return true;
        }
        if length > GRANTED_BYTES_MAX {
            return false;
        }
        self.used.fetch_add(length, Ordering::AcqRel);
        self.over.store(true, Ordering::Release);
        ask_here();
        true
    }

    fn give_back(&self, length: usize) {
        self.used.fetch_sub(length, Ordering::AcqRel);
    }

    fn new_block(&self, length: usize, make: unsafe fn(Layout) -> *mut u8) -> *mut c_void {
        let Ok(layout) = Layout::from_size_align(length.max(1), ALIGN) else { return null_mut() };
        if !self.take(length) {
            return null_mut();
        }
        // SAFETY: the layout is of at least one byte.
        let block = unsafe { make(layout) };
        if block.is_null() {
            self.give_back(length);
        }
        block.cast()
    }
}

static TABLE: v8::RustAllocatorVtable<Buffers> =
    v8::RustAllocatorVtable { allocate: zeroed, allocate_uninitialized: uninitialized, free, drop: forget };

unsafe extern "C" fn zeroed(buffers: &Buffers, length: usize) -> *mut c_void {
    buffers.new_block(length, alloc_zeroed)
}

unsafe extern "C" fn uninitialized(buffers: &Buffers, length: usize) -> *mut c_void {
    buffers.new_block(length, alloc)
}

unsafe extern "C" fn free(buffers: &Buffers, block: *mut c_void, length: usize) {
    let Ok(layout) = Layout::from_size_align(length.max(1), ALIGN) else { return };
    buffers.give_back(length);
    // SAFETY: the engine gives back what `new_block` gave, with its length.
    unsafe { dealloc(block.cast(), layout) }
}

unsafe extern "C" fn forget(buffers: *const Buffers) {
    // SAFETY: it is what `allocator` gave away, once.
    drop(unsafe { Arc::from_raw(buffers) });
}
