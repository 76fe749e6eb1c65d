//! Scripts of a program, compiled and run.

use crate::code::{Compiled, origin};
use crate::guest::Guest;
use crate::stack;
use deno_core::{JsRuntime, op2, v8};
use std::rc::Rc;

fn compiled(scope: &mut v8::PinScope<'_, '_>) -> Rc<Compiled> {
    let state = JsRuntime::op_state_from(scope);
    let compiled = state.borrow().try_borrow::<Rc<Compiled>>().cloned();
    compiled.unwrap_or_default()
}

/// A file of CommonJS as a function of what Node gives it. Throws its SyntaxError. Stacks have it by this name.
#[op2]
pub fn op_warren_compile<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    text: v8::Local<'s, v8::String>,
    name: v8::Local<'s, v8::String>,
) -> v8::Local<'s, v8::Value> {
    let function = compiled(scope).function(scope, text, name);
    function.map_or_else(|| v8::undefined(scope).into(), Into::into)
}

/// Whether a text is a script, or a module. Throws its SyntaxError.
#[op2(nofast)]
pub fn op_warren_check<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    text: v8::Local<'s, v8::String>,
    name: v8::Local<'s, v8::String>,
    is_module: bool,
) -> bool {
    let origin = origin(scope, name, is_module);
    if is_module {
        let mut source = v8::script_compiler::Source::new(text, Some(&origin));
        v8::script_compiler::compile_module(scope, &mut source).is_some()
    } else {
        v8::Script::compile(scope, text, Some(&origin)).is_some()
    }
}

/// Names compiled code together with the text that it was made of.
#[op2]
#[string]
pub fn op_warren_cache_key(#[buffer] code: &[u8], #[string] text: &str) -> String {
    let mut both = blake3::Hasher::new();
    both.update(&(code.len() as u64).to_le_bytes()).update(code).update(text.as_bytes());
    both.finalize().to_hex().to_string()
}

/// Runs a script in the global scope.
#[op2(reentrant)]
pub fn op_warren_run<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    text: v8::Local<'s, v8::String>,
    name: v8::Local<'s, v8::String>,
) -> v8::Local<'s, v8::Value> {
    let origin = origin(scope, name, false);
    let value = v8::Script::compile(scope, text, Some(&origin)).and_then(|script| script.run(scope));
    value.unwrap_or_else(|| v8::undefined(scope).into())
}

/// Whether it is an error, of whatever realm.
#[op2(fast)]
pub fn op_warren_is_error(value: v8::Local<'_, v8::Value>) -> bool {
    value.is_native_error()
}

/// The line an error came from and a mark under its place, if it is known.
#[op2(reentrant)]
#[string]
pub fn op_warren_place<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    error: v8::Local<'s, v8::Value>,
    thrown: bool,
) -> Option<String> {
    if !error.is_native_error() {
        return None;
    }
    let message = v8::Exception::create_message(scope, error);
    let name = message.get_script_resource_name(scope).map(|name| name.to_rust_string_lossy(scope));
    if name.is_none_or(|name| stack::is_internal(&name)) {
        let state = JsRuntime::op_state_from(scope);
        let guest = state.borrow().try_borrow::<Guest>().cloned();
        let read = |name: &str| {
            let path = match name.strip_prefix("file://") {
                Some(_) => deno_core::url::Url::parse(name).ok()?.to_file_path().ok()?,
                None => name.into(),
            };
            let path = std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str());
            let bytes = guest?.call(|kernel, call| kernel.read_file(call, path, SHOWN_BYTES_MAX)).ok()?;
            Some(String::from_utf8_lossy(&bytes).into_owned())
        };
        if let Some(place) = stack::place_of_first(scope, error, read, thrown) {
            return Some(place);
        }
    }
    stack::place(scope, message, thrown)
}

/// The largest file a line of is shown.
const SHOWN_BYTES_MAX: usize = 64 << 20;
