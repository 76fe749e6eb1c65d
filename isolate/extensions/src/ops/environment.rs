//! `process.env`, which is the process's own and not the server's.

use crate::sys::Environment;
use deno_core::{OpState, op2, v8};
use deno_error::JsErrorBox;
use std::collections::HashMap;

/// As scripts have it: what is not UTF-8 is replaced.
fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// A variable as scripts have it.
pub(crate) fn variable(environment: &Environment, name: &str) -> Option<String> {
    environment.get(name.as_bytes()).map(text)
}

#[op2]
#[serde]
pub fn op_env(state: &mut OpState) -> HashMap<String, String> {
    let all = state.try_borrow::<Environment>().map(Environment::all).unwrap_or_default();
    all.into_iter().map(|(name, value)| (text(name), text(value))).collect()
}

#[op2]
#[string]
pub fn op_get_env(state: &mut OpState, #[string] name: &str) -> Option<String> {
    // While the snapshot is made there is nobody.
    variable(state.try_borrow::<Environment>()?, name)
}

#[op2(fast)]
pub fn op_set_env(
    state: &mut OpState,
    scope: &mut v8::PinScope<'_, '_>,
    #[string] name: &str,
    #[string] value: &str,
) -> Result<(), JsErrorBox> {
    if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
        return Err(JsErrorBox::type_error(format!(
            "{name:?} cannot be the name or {value:?} the value of a variable"
        )));
    }
    state.borrow::<Environment>().set(name.as_bytes(), value.as_bytes()).map_err(|_| {
        JsErrorBox::range_error(format!("setting {name} would make the environment larger than it may be"))
    })?;
    changed(scope, name);
    Ok(())
}

#[op2(fast)]
pub fn op_delete_env(state: &mut OpState, scope: &mut v8::PinScope<'_, '_>, #[string] name: &str) {
    state.borrow::<Environment>().remove(name.as_bytes());
    changed(scope, name);
}

/// The time zone is a variable of the process, which V8 keeps for the whole of the host: it stays UTC.
fn changed(_: &mut v8::PinScope<'_, '_>, _: &str) {}
