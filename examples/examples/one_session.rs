//! One session in this process: a file in, a shell line over it, its output, and a connection its policy refuses.
//!
//! `cargo run -p warren-examples --example one_session`, after `cargo run -p warren -- software add`.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::sync::Arc;
use warren_kernel::event::What;
use warren_kernel::id::Pid;
use warren_kernel::vfs::Mode;
use warren_kernel::vfs::open::{At, OpenFlags};
use warren_kernel::{CallError, Session};
use warren_wasi_posix::layer::{self, StoreBlobs};
use warren_wasi_posix::node::{Command, Node};
use warren_wasi_posix::software::{Store, project};
use warren_wasi_posix::{EngineOptions, Wasm};

type Failure = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    // The store has the software; `warren software` fills it.
    let store = Store::open(Store::default_root(&|name| std::env::var_os(name)).ok_or("set HOME or WARREN_CACHE")?)?;
    let packages = store.packages()?;
    if packages.is_empty() {
        println!("no software is installed; add it with `cargo run -p warren -- software add`");
        return Ok(());
    }
    let node = node(store, &project(&packages))?;

    // A session is a whole system of its own: its files are a private, copy-on-write view of the node's layer.
    let template = node.template();
    let session = node.session(template.clone());
    write_file(&session, "/home/agent/fruit.txt", b"pear\napple\nfig\napple\n").await?;

    // A shell line over it. `finish` reads both outputs and waits.
    let finished =
        Command::shell(&template, "sort fruit.txt | uniq -c | sort -rn").launch(&session).await?.finish().await?;
    print!("{}", String::from_utf8_lossy(&finished.stdout));

    // Nothing outside the session may be reached unless its policy says so: curl fails at once, and we hear why.
    let curl = Command::new(&template, ["curl", "-sS", "https://example.com"]).launch(&session).await?.finish().await?;
    println!("curl: {:?}", curl.status);
    for event in session.with(|kernel| kernel.events_since(0)).1 {
        if let What::Denied { domain, subject } = event.what {
            println!("policy: {domain} {subject} denied");
        }
    }
    Ok(())
}

/// What all sessions share: the engine with its code cache, and the layer of files they begin with.
fn node(store: Store, software: &warren_wasi_posix::software::Projection) -> Result<Node, Failure> {
    let handle = tokio::runtime::Handle::current();
    let options = EngineOptions { cache: Some(store.root().to_owned()), processes: 100, ..EngineOptions::default() };
    let wasm = Wasm::new(&options, handle.clone())?;
    let layer = layer::build(software, &(Arc::new(StoreBlobs(store)) as _))?;
    Ok(Node::new(wasm, layer, software.env.clone(), handle))
}

/// Each step is a system call made from outside, as the session's init.
async fn write_file(session: &Session, path: &str, bytes: &[u8]) -> Result<(), CallError> {
    let (flags, mode) = (OpenFlags::WRITE | OpenFlags::CREATE | OpenFlags::TRUNCATE, Mode::new(0o644));
    let fd = session.call(Pid::INIT, |kernel, call| kernel.open(call, At::Root, path.as_bytes(), flags, mode)).await?;
    let mut rest = bytes;
    while !rest.is_empty() {
        rest = &rest[session.call(Pid::INIT, |kernel, call| kernel.write(call, fd, &[rest])).await?..];
    }
    session.call(Pid::INIT, |kernel, call| Ok(kernel.close(call, fd)?)).await
}
