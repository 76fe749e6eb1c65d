//! The extensions a guest's isolate is made of, in the order that the snapshot and every run share.

use crate::blobs::Blobs;
use crate::fs::KernelFs;
use crate::gate;
use crate::guest::Guest;
use crate::packages::{InPackage, Packages};
use crate::sys::Environment;
use crate::sys::KernelSys;
use deno_core::{Extension, ExtensionArguments};
use deno_fs::FileSystemRc;
use deno_node::NodeExtInitServices;
use std::rc::Rc;
use std::sync::Arc;

/// All of them, sealed: each operation and method is as the gate's table says.
///
/// # Panics
/// If an extension has an operation, object or method the table does not name, or the table one that no extension has.
pub fn extensions() -> Vec<Extension> {
    gate::seal(vec![
        // Before any script keeps one of their classes.
        crate::ops::warren_first::lazy_init(),
        deno_telemetry::deno_telemetry::lazy_init(),
        deno_webidl::deno_webidl::lazy_init(),
        deno_web::deno_web::lazy_init(),
        deno_fetch::deno_fetch::lazy_init(),
        deno_websocket::deno_websocket::lazy_init(),
        deno_crypto::deno_crypto::lazy_init(),
        deno_net::deno_net::lazy_init(),
        deno_tls::deno_tls::lazy_init(),
        deno_http::deno_http::lazy_init(),
        deno_io::deno_io::lazy_init(),
        deno_fs::deno_fs::lazy_init(),
        deno_os::deno_os::lazy_init(),
        deno_process::deno_process::lazy_init(),
        deno_node_crypto::deno_node_crypto::lazy_init(),
        deno_node::deno_node::lazy_init::<InPackage, Packages, KernelSys>(),
        crate::ops::warren::lazy_init(),
    ])
}

/// What the extensions are given of a guest, before its program begins. Nothing here is shared with another guest.
pub fn arguments(
    guest: Guest,
    environment: Environment,
    services: NodeExtInitServices<InPackage, Packages, KernelSys>,
    fs: KernelFs,
) -> Vec<ExtensionArguments> {
    let fs: FileSystemRc = deno_fs::sync::MaybeArc::new(fs);
    let fetch = deno_fetch::Options {
        user_agent: "node".to_owned(),
        file_fetch_handler: Rc::new(deno_fetch::DefaultFileFetchHandler),
        ..deno_fetch::Options::default()
    };
    vec![
        crate::ops::warren_first::args(),
        deno_telemetry::deno_telemetry::args(),
        deno_webidl::deno_webidl::args(),
        deno_web::deno_web::args(
            Arc::new(Blobs::new(guest.clone())),
            None,
            false,
            deno_web::InMemoryBroadcastChannel::default(),
        ),
        deno_fetch::deno_fetch::args(fetch),
        deno_websocket::deno_websocket::args(),
        deno_crypto::deno_crypto::args(None),
        deno_net::deno_net::args(None, None),
        deno_tls::deno_tls::args(),
        deno_http::deno_http::args(deno_http::Options::default()),
        deno_io::deno_io::args(None),
        deno_fs::deno_fs::args(fs.clone()),
        deno_os::deno_os::args(None),
        deno_process::deno_process::args(None),
        deno_node_crypto::deno_node_crypto::args(),
        deno_node::deno_node::args::<InPackage, Packages, KernelSys>(Some(services), fs),
        crate::ops::warren::args(guest, environment),
    ]
}
