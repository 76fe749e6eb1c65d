//! Memories of WebAssembly, counted, and what deserializes values, looked through.

use crate::wire::Seen;
use crate::{reserved, wasm, wire};
use deno_core::{OpState, op2, v8};
use deno_error::JsErrorBox;

/// Bytes a page of a memory has.
const PAGE_BYTES: usize = 64 << 10;
/// Bytes all of them may have together.
const BYTES_MAX: usize = 512 << 20;

/// Counts a memory. `false` when it is none, is shared, or there is no room for it.
#[op2(nofast)]
pub fn op_warren_reserve(scope: &mut v8::PinScope<'_, '_>, object: v8::Local<'_, v8::Object>) -> bool {
    v8::Local::<v8::WasmMemoryObject>::try_from(object).is_ok_and(|memory| reserved::add(scope, memory, BYTES_MAX))
}

/// What native streams that compress and histograms take, all of an isolate's together.
#[derive(Debug, Default)]
pub(crate) struct Compressors(usize);

/// Their bytes, at most.
const COMPRESSORS_MAX: usize = 512 << 20;

fn compressors(state: &mut OpState) -> &mut Compressors {
    if !state.has::<Compressors>() {
        state.put(Compressors::default());
    }
    state.borrow_mut()
}

/// Counts so many bytes more, also as the engine's outside its heap, so that it looks for what nobody has any more. `false` when there
/// is no room for them: what can be thrown away has been, and those of who was are to be let go.
#[op2(nofast)]
pub fn op_warren_hold(scope: &mut v8::PinScope<'_, '_>, state: &mut OpState, bytes: f64) -> bool {
    // Of what is more than a number can say, the most it can.
    let bytes = if bytes.is_nan() { usize::MAX } else { bytes as usize };
    let held = &mut compressors(state).0;
    if held.saturating_add(bytes) > COMPRESSORS_MAX {
        scope.low_memory_notification();
        return false;
    }
    *held += bytes;
    scope.adjust_amount_of_external_allocated_memory(bytes as i64);
    true
}

/// They are held no more.
#[op2(nofast)]
pub fn op_warren_let_go(scope: &mut v8::PinScope<'_, '_>, state: &mut OpState, bytes: f64) {
    let held = &mut compressors(state).0;
    let bytes = (bytes as usize).min(*held);
    *held -= bytes;
    scope.adjust_amount_of_external_allocated_memory(-(bytes as i64));
}

/// Whether the engine may read the serialized value that is at a place of a text ([`wire`]).
#[op2(fast)]
pub fn op_warren_wire(#[buffer] text: &[u8], #[number] from: usize) -> bool {
    matches!(text.get(from..).map(wire::look), Some(Seen::Whole | Seen::UpToObject))
}

/// Whether it may go on behind an object that a program read itself.
#[op2(fast)]
pub fn op_warren_wire_object(#[buffer] text: &[u8], #[number] from: usize, #[number] upto: usize) -> bool {
    wire::was_read(text, from, upto)
}

/// Whether memories may grow by so many pages.
#[op2(nofast)]
pub fn op_warren_has_room(scope: &mut v8::PinScope<'_, '_>, pages: f64) -> bool {
    reserved::has_room(scope, 0, (pages as usize).saturating_mul(PAGE_BYTES), BYTES_MAX)
}

/// A memory a module defines: pages it begins with, and may grow to (-1 if it does not say so); whether it is shared, and wide.
type Defined = (f64, f64, bool, bool);

/// The memories that a module defines; null if it defines none.
#[op2]
#[serde]
pub fn op_warren_memories(#[anybuffer] module: &[u8]) -> Result<Option<Vec<Defined>>, JsErrorBox> {
    let found = wasm::import_memories(module).map_err(|error| JsErrorBox::type_error(error.to_string()))?;
    let described = |memory: &wasm::Memory| {
        (memory.initial as f64, memory.maximum.map_or(-1.0, |pages| pages as f64), memory.shared, memory.wide)
    };
    Ok(found.map(|(memories, _)| memories.iter().map(described).collect()))
}

/// The module with imports in their place.
#[op2]
#[buffer]
pub fn op_warren_import_memories(#[anybuffer] module: &[u8]) -> Result<Vec<u8>, JsErrorBox> {
    let found = wasm::import_memories(module).map_err(|error| JsErrorBox::type_error(error.to_string()))?;
    Ok(found.map(|(_, module)| module).unwrap_or_default())
}

/// What the global object of a function's realm has itself under a name, whatever a program has put before it; undefined if nothing.
#[op2]
pub fn op_warren_global<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    function: v8::Local<'s, v8::Object>,
    name: v8::Local<'s, v8::String>,
) -> v8::Local<'s, v8::Value> {
    let nothing = v8::undefined(scope).into();
    let Some(context) = function.get_creation_context(scope) else { return nothing };
    let scope = &mut v8::ContextScope::new(scope, context);
    context.global(scope).get_real_named_property(scope, name.into()).unwrap_or(nothing)
}
