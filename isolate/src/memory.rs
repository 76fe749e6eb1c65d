//! Memory of one isolate that is not its heap's: what the buffers of its scripts take.
//!
//! A buffer is refused before it is there, so no script can have more written than it may have. Who asks for much gets the error of
//! an allocation that failed; a little more than there is room for is given, since native code ends the process without it, and
//! the guest ends.
//!
//! What an isolate has in all, its heap and these, is charged to its process in the session's kernel ([`Weight`]): as it is found when
//! the guest looks up, every 5 ms while it runs, and when it rests.

use crate::turns::ask_here;
use deno_core::v8;
use std::alloc::{Layout, alloc, alloc_zeroed, dealloc};
use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use warren_isolate_extensions::guest::Guest;
use warren_isolate_extensions::reserved;
use warren_kernel::Kernel;
use warren_kernel::id::Pid;

/// A request up to this size is not refused.
const GRANTED_BYTES_MAX: usize = 16 << 20;
/// What the allocator aligns to.
const ALIGN: usize = 16;

/// What the host needs to keep one.
const EACH_BYTES: usize = 64;

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

    /// What they take.
    fn used(&self) -> usize {
        self.used.load(Ordering::Acquire)
    }

    /// The allocator that counts here.
    pub(crate) fn allocator(self: &Arc<Buffers>) -> v8::UniqueRef<v8::Allocator> {
        // SAFETY: the handle is of the type that the functions of the table take, and is dropped by the table's own.
        unsafe { v8::new_rust_allocator(Arc::into_raw(self.clone()), &TABLE) }
    }

    fn take(&self, length: usize) -> bool {
        let length = length.saturating_add(EACH_BYTES);
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
        self.used.fetch_sub(length.saturating_add(EACH_BYTES), Ordering::AcqRel);
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

/// What a thread and what the host has of an isolate outside it take.
const FIXED_BYTES: usize = 2 << 20;
/// Less than this is not charged.
const STEP_BYTES: u64 = 1 << 20;

/// What a session was charged for a guest.
#[derive(Debug, Default)]
pub(crate) struct Weight {
    charged: AtomicU64,
    forfeited: AtomicU64,
}

impl Weight {
    /// Charges what it has now; `false` when the process or its session may not have so much.
    pub(crate) fn charge(&self, guest: &Guest, isolate: &mut v8::Isolate, buffers: &Buffers) -> bool {
        let heap = isolate.get_heap_statistics();
        let outside = heap.external_memory().max(buffers.used()).saturating_add(reserved::bytes(isolate));
        let has = heap.total_heap_size().saturating_add(heap.malloced_memory()).saturating_add(outside);
        let has = has.saturating_add(guest.held()).saturating_add(FIXED_BYTES) as u64;
        let before = self.charged.load(Ordering::Acquire);
        if has.abs_diff(before) < STEP_BYTES {
            return true;
        }
        let charged = guest.with(|kernel, call| match has.checked_sub(before) {
            Some(more) => kernel.charge_memory(call.pid, more),
            None => {
                kernel.discharge_memory(call.pid, before - has);
                true
            }
        });
        if charged {
            self.charged.store(has, Ordering::Release);
        }
        charged
    }

    /// It stays counted though the process goes, and is so many bytes at least, until it is recovered.
    pub(crate) fn forfeit(&self, kernel: &mut Kernel, pid: Pid, bytes: usize) {
        let before = self.charged.load(Ordering::Acquire);
        // If there is no room, as much as was charged.
        kernel.charge_memory(pid, (bytes as u64).saturating_sub(before));
        self.forfeited.fetch_add(kernel.forfeit_memory(pid), Ordering::AcqRel);
    }

    /// It was given back.
    pub(crate) fn recover(&self, kernel: &mut Kernel) {
        kernel.recover_memory(self.forfeited.swap(0, Ordering::AcqRel));
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
