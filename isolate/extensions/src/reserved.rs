//! What scripts of this thread's isolate have that the engine reserves address space for: memories of WebAssembly. There are few of
//! them, since the address space and its pieces are the whole server's, and the engine counts their bytes nowhere.

use deno_core::v8;
use std::cell::RefCell;

/// How many there may be.
const COUNT_MAX: usize = 256;
/// What one counts as at least: address space of up to 512 MiB, and pieces of it that the system keeps.
const EACH_BYTES: usize = 1 << 20;

thread_local! {
    static HERE: RefCell<Vec<v8::Weak<v8::WasmMemoryObject>>> = const { RefCell::new(Vec::new()) };
}

/// Counts one more. `false` when it is shared, there may be no more, or all together have more than `bytes_max` bytes then; it is not
/// counted.
///
/// What is shared lives as long as any buffer that was made of it, copies among them, and is counted with none.
pub(crate) fn add(
    scope: &mut v8::PinScope<'_, '_>,
    memory: v8::Local<'_, v8::WasmMemoryObject>,
    bytes_max: usize,
) -> bool {
    if memory.buffer().get_backing_store().is_shared() || !has_room(scope, 1, of(memory), bytes_max) {
        return false;
    }
    let weak = v8::Weak::new(scope, memory);
    HERE.with_borrow_mut(|all| all.push(weak));
    true
}

/// Whether there is room for so many more, and so many bytes. If not, what nobody has any more is thrown away first.
pub(crate) fn has_room(scope: &mut v8::PinScope<'_, '_>, more: usize, bytes: usize, bytes_max: usize) -> bool {
    let fits = |scope: &mut v8::PinScope<'_, '_>| {
        // What is looked at is held by this scope, and would not be thrown away within it.
        v8::scope!(let looks, scope);
        let (count, used) = count(looks);
        count + more <= COUNT_MAX && used.saturating_add(bytes) <= bytes_max
    };
    if fits(scope) {
        return true;
    }
    scope.low_memory_notification();
    fits(scope)
}

/// Bytes of all of them.
pub fn bytes(isolate: &mut v8::Isolate) -> usize {
    if HERE.with_borrow(Vec::is_empty) {
        return 0;
    }
    v8::scope!(scope, isolate);
    count(scope).1
}

/// Forgets them, before their isolate goes.
pub fn clear() {
    HERE.take();
}

fn count(scope: &v8::PinScope<'_, '_, ()>) -> (usize, usize) {
    HERE.with_borrow_mut(|all| {
        all.retain(|weak| !weak.is_empty());
        let bytes = all.iter().filter_map(|weak| weak.to_local(scope)).map(of);
        (all.len(), bytes.sum())
    })
}

fn of(memory: v8::Local<'_, v8::WasmMemoryObject>) -> usize {
    memory.buffer().get_backing_store().byte_length().max(EACH_BYTES)
}
