//! Our operations: those in the place of ones that would touch the host, and those the bootstrap needs.
#![allow(unreachable_pub, missing_debug_implementations, reason = "of what the macro for operations makes")]

pub mod channel;
pub mod child;
pub mod clock;
pub mod code;
pub mod datagram;
pub mod denied;
pub mod descriptor;
pub mod early;
pub mod environment;
pub mod file;
pub mod identity;
pub mod memory;
pub mod names;
pub mod net;
pub mod signal;
pub mod stream;
pub mod system;
pub mod terminal;
pub mod typescript;
pub mod watch;

use crate::file::KernelFile;
use crate::guest::Guest;
use crate::sys::Environment;
use channel::Inherited;
use deno_core::OpState;
use deno_io::fs::{File, FileResource};
use std::rc::Rc;
use warren_kernel::id::Fd;

/// What the operations keep of a guest: its exit code, and nothing that another guest could see.
#[derive(Debug, Default)]
pub struct Outcome {
    /// `process.exitCode`.
    pub code: i32,
}

deno_core::extension!(
    warren,
    deps = [deno_node],
    ops = [
        descriptor::op_warren_read_source,
        stream::op_warren_cancel,
        stream::op_warren_adopt,
        stream::op_warren_close,
        stream::op_warren_wait,
        stream::op_warren_read,
        stream::op_warren_read_into,
        stream::op_warren_write,
        stream::op_warren_write_text,
        stream::op_warren_write_parked,
        stream::op_warren_write_all,
        net::op_warren_socket,
        net::op_warren_bind,
        net::op_warren_bind_unix,
        net::op_warren_chmod,
        net::op_warren_unlink,
        net::op_warren_listen,
        net::op_warren_accept,
        net::op_warren_connect,
        net::op_warren_connect_unix,
        net::op_warren_shutdown,
        net::op_warren_option,
        net::op_warren_name,
        datagram::op_warren_send_to,
        datagram::op_warren_send_to_waiting,
        datagram::op_warren_receive_from,
        names::op_warren_resolve,
        watch::op_warren_watch_open,
        watch::op_warren_watch_add,
        watch::op_warren_watch_remove,
        terminal::op_warren_raw_mode,
        terminal::op_warren_window_size,
        code::op_warren_cache_key,
        code::op_warren_compile,
        code::op_warren_check,
        code::op_warren_run,
        code::op_warren_is_error,
        code::op_warren_place,
        memory::op_warren_reserve,
        memory::op_warren_hold,
        memory::op_warren_let_go,
        memory::op_warren_wire,
        memory::op_warren_wire_object,
        memory::op_warren_has_room,
        memory::op_warren_memories,
        memory::op_warren_import_memories,
        memory::op_warren_global,
        early::op_warren_early_modules,
        early::op_warren_loads,
        channel::op_warren_channel_read,
        channel::op_warren_channel_write,
        channel::op_warren_channel_queued,
        identity::op_ppid,
        identity::op_warren_set_id,
        file::op_warren_unlink_file,
        file::op_warren_unlink_file_sync,
        identity::op_bootstrap_color_depth,
        identity::op_current_thread_cpu_usage,
        denied::op_set_raw,
        denied::op_napi_open,
        denied::op_node_database_backup,
        denied::op_create_worker,
        denied::op_http_start,
    ],
    esm_entry_point = "ext:warren/bootstrap.js",
    esm = [
        dir "src/js", "channel.js", "deno.js", "handles.js", "datagram.js", "names.js", "watch.js", "files.js", "identity.js", "tls.js",
        "histogram.js", "captured.js", "fetch.js", "websocket.js", "bounds.js", "memories.js", "wire.js", "globals.js", "main.js", "rehearsal.js", "bootstrap.js"
    ],
    options = { guest: Guest, environment: Environment },
    state = |state, options| begin(state, options.guest, options.environment),
    customizer = |extension: &mut deno_core::Extension| extension.lazy_loaded_esm_files = early::FILES.into(),
);

deno_core::extension!(warren_first, esm_entry_point = "ext:warren_first/guards.js", esm = [dir "src/js", "classes.js", "guards_http2.js", "guards.js"]);

/// Puts what belongs to the guest into its state.
fn begin(state: &mut OpState, guest: Guest, environment: Environment) {
    guest.reset_signals();
    for (number, name) in ["stdin", "stdout", "stderr"].into_iter().enumerate() {
        let file: Rc<dyn File> = Rc::new(KernelFile::borrowed(guest.clone(), Fd(number as u32)));
        let resource = state.resource_table.add(FileResource::new(file, name.to_owned()));
        debug_assert_eq!(resource as usize, number, "what reads standard input looks for resource 0");
    }
    // The one provider of cryptography that is built in; it may be there already.
    let _ = deno_tls::rustls::crypto::ring::default_provider().install_default();
    state.put(stream::Waits::default());
    state.put(clock::Began(guest.with(|kernel, _| kernel.uptime())));
    state.put(file::Pending::default());
    state.put(terminal::RawTerminals::new(guest.clone()));
    if let Some(channel) = Inherited::take(&environment) {
        state.put(channel);
    }
    state.put(guest);
    state.put(environment);
    state.put(Outcome::default());
}
