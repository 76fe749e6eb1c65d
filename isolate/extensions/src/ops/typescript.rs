//! `module.stripTypeScriptTypes`.

use crate::guest::Guest;
use crate::parse::{Types, without_types};
use deno_core::url::Url;
use deno_core::{OpState, op2};
use deno_error::JsErrorBox;

/// TypeScript without its types: blanked where `mode` is `strip`.
#[op2]
#[string]
pub fn op_node_strip_typescript_types(
    state: &mut OpState,
    #[string] code: String,
    #[string] mode: &str,
    source_map: bool,
) -> Result<String, JsErrorBox> {
    let url = Url::parse("file:///stripTypeScriptTypes.ts").map_err(JsErrorBox::from_err)?;
    let types = if mode == "strip" { Types::Blanked } else { Types::Transformed { source_map } };
    let guest = state.try_borrow::<Guest>().cloned();
    without_types(&url, &code, types, || guest.as_ref().is_some_and(Guest::must_stop))
}
