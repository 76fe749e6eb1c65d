//! What the binary's tests share: the installed default software, and a node of sessions in this process.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    missing_debug_implementations,
    reason = "each test binary uses a part of it"
)]

pub mod network;
pub mod proxy;
pub mod screen;
pub mod server;
pub mod socket;

use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, OnceLock};
use tokio::runtime::Runtime;
use warren_wasi_posix::layer::{self, StoreBlobs};
use warren_wasi_posix::node::Node;
use warren_wasi_posix::software::{Store, project};
use warren_wasi_posix::{EngineOptions, Wasm};

/// The binary under test.
pub fn warren() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_warren"));
    // What the tester has set for a server of theirs is not for these; the folder of software is.
    let theirs = std::env::vars_os().map(|(name, _)| name).filter(|name| name != "WARREN_CACHE");
    for name in theirs.filter(|name| name.as_encoded_bytes().starts_with(b"WARREN_")) {
        command.env_remove(name);
    }
    command
}

/// Whether the default software is installed; the first test of a machine fetches it. Without a network the tests
/// that need it say so and pass.
pub fn software() -> bool {
    static INSTALLED: OnceLock<bool> = OnceLock::new();
    *INSTALLED.get_or_init(|| {
        let store = Store::open(cache()).expect("the user's cache folder can be opened");
        if !store.packages().expect("the store can be read").is_empty() {
            return true;
        }
        let added = warren().args(["software", "add", "--no-compile"]).output().expect("the binary starts");
        if !added.status.success() {
            println!(
                "skipped: the default software is not installed and cannot be fetched: {}",
                String::from_utf8_lossy(&added.stderr)
            );
        }
        added.status.success()
    })
}

pub fn cache() -> PathBuf {
    Store::default_root(&|name| std::env::var_os(name)).expect("HOME or WARREN_CACHE is set")
}

/// A node with the default software, in this process.
pub struct Bench {
    pub runtime: Runtime,
    pub node: Node,
}

/// The node every test of a binary shares; `None` without software.
pub fn bench() -> Option<&'static Bench> {
    static BENCH: OnceLock<Option<Bench>> = OnceLock::new();
    BENCH
        .get_or_init(|| {
            if !software() {
                return None;
            }
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("an executor");
            let store = Store::open(cache()).expect("the store opens");
            let options =
                EngineOptions { cache: Some(store.root().to_owned()), processes: 600, ..EngineOptions::default() };
            let wasm = Wasm::new(&options, runtime.handle().clone()).expect("an engine");
            let packages = store.packages().expect("the store can be read");
            let layer = layer::build(&project(&packages), &(Arc::new(StoreBlobs(store)) as _))
                .expect("the software fits the base system");
            let node = Node::new(wasm, layer, [], runtime.handle().clone());
            Some(Bench { runtime, node })
        })
        .as_ref()
}
