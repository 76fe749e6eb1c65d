//! Node's modules that are loaded before there is a program, when the snapshot is made.

use crate::guest::Guest;
use deno_core::{ExtensionFileSource, OpState, ascii_str, op2, v8};

macro_rules! early {
    ($($name:literal),* $(,)?) => {
        /// All but those that make objects no snapshot can hold: `crypto`, and what loads it.
        const NAMES: &[&str] = &[$($name),*];

        /// A module for each that imports it: what is only loaded by its name is kept without its text.
        pub const FILES: &[ExtensionFileSource] = &[$(
            ExtensionFileSource::loaded_from_memory_during_snapshot(
                concat!("ext:warren/early/", $name, ".js"),
                ascii_str!(concat!("import \"", $name, "\";")),
            ),
        )*];
    };
}

early![
    // These are loaded by their names alone by those after them.
    "node:stream",
    "node:_http_outgoing",
    "node:_http_server",
    "node:_http_client",
    "node:tls",
    "node:process",
    "ext:deno_node/_fs/_fs_copy.ts",
    "ext:deno_node/_fs/_fs_dir.ts",
    "ext:deno_node/_fs/_fs_exists.ts",
    "ext:deno_node/_fs/_fs_glob.ts",
    "ext:deno_node/_fs/_fs_lutimes.ts",
    "ext:deno_node/_fs/_fs_read.ts",
    "ext:deno_node/_fs/_fs_readdir.ts",
    "ext:deno_node/internal/fs/stat_utils.ts",
    "ext:deno_node/internal/fs/promises.ts",
    "ext:deno_node/internal/fs/streams.mjs",
    "ext:deno_node/internal/streams/duplexify.js",
    "ext:deno_node/internal/streams/fast-utf8-stream.js",
    "ext:deno_node/internal/streams/from.js",
    "ext:deno_node/internal/streams/lazy_transform.js",
    "node:module",
    "node:assert",
    "node:assert/strict",
    "node:async_hooks",
    "node:buffer",
    "node:child_process",
    "node:console",
    "node:constants",
    "node:dgram",
    "node:diagnostics_channel",
    "node:dns",
    "node:dns/promises",
    "node:domain",
    "node:events",
    "node:fs",
    "node:fs/promises",
    "node:http",
    "node:http2",
    "node:https",
    "node:net",
    "node:os",
    "node:path",
    "node:path/posix",
    "node:path/win32",
    "node:perf_hooks",
    "node:punycode",
    "node:querystring",
    "node:readline",
    "node:readline/promises",
    "node:stream/consumers",
    "node:stream/promises",
    "node:stream/web",
    "node:string_decoder",
    "node:sys",
    "node:timers",
    "node:timers/promises",
    "node:tty",
    "node:url",
    "node:util",
    "node:util/types",
    "node:v8",
    "node:vm",
    "node:worker_threads",
    "node:zlib",
];

/// Their names.
#[op2]
#[serde]
pub fn op_warren_early_modules() -> Vec<&'static str> {
    NAMES.to_vec()
}

/// A script of the extensions is being loaded, or has been: it is not stopped halfway.
#[op2(fast)]
pub fn op_warren_loads(state: &mut OpState, scope: &mut v8::PinScope<'_, '_>, begins: bool) {
    if state.try_borrow::<Guest>().is_some_and(|guest| guest.loads(begins)) {
        scope.terminate_execution();
    }
}
