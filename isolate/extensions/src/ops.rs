//! Our operations: those in the place of ones that would touch the host, and those the bootstrap needs.
#![allow(unreachable_pub, missing_debug_implementations, reason = "of what the macro for operations makes")]

pub mod channel;
pub mod child;
pub mod clock;
pub mod datagram;
pub mod denied;
pub mod descriptor;
pub mod early;
pub mod environment;
pub mod identity;
pub mod names;
pub mod net;
pub mod signal;
pub mod stream;
pub mod system;
pub mod terminal;
pub mod typescript;

use crate::file::KernelFile;
use crate::guest::Guest;
use crate::sys::Environment;
use channel::Inherited;
use deno_core::OpState;
use deno_io::FdTable;
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
        terminal::op_warren_raw_mode,
        terminal::op_warren_window_size,
        early::op_warren_early_modules,
        early::op_warren_loads,
        channel::op_warren_channel_read,
        channel::op_warren_channel_write,
        channel::op_warren_channel_queued,
        identity::op_ppid,
        identity::op_bootstrap_color_depth,
        identity::op_current_thread_cpu_usage,
        denied::op_set_raw,
        denied::op_napi_open,
        denied::op_node_database_backup,
        denied::op_create_worker,
        denied::op_http_start,
    ],
    esm_entry_point = "ext:warren/bootstrap.js",
    esm = [dir "src/js", "channel.js", "deno.js", "handles.js", "datagram.js", "names.js", "tls.js", "histogram.js", "captured.js", "fetch.js", "websocket.js", "bounds.js", "globals.js", "main.js", "bootstrap.js"],
    options = { guest: Guest, environment: Environment },
    state = |state, options| begin(state, options.guest, options.environment),
    customizer = |extension: &mut deno_core::Extension| extension.lazy_loaded_esm_files = early::FILES.into(),
);

/// Puts what belongs to the guest into its state: its kernel descriptors 0, 1 and 2 among them, and others it began with.
fn begin(state: &mut OpState, guest: Guest, environment: Environment) {
    guest.reset_signals();
    for (number, name) in ["stdin", "stdout", "stderr"].into_iter().enumerate() {
        let file: Rc<dyn File> = Rc::new(KernelFile::borrowed(guest.clone(), Fd(number as u32)));
        state.borrow_mut::<FdTable>().register(number as i32, file.clone());
        let resource = state.resource_table.add(FileResource::new(file, name.to_owned()));
        debug_assert_eq!(resource as usize, number, "what reads standard input looks for resource 0");
    }
    // The one provider of cryptography that is built in; it may be there already.
    let _ = deno_tls::rustls::crypto::ring::default_provider().install_default();
    state.put(stream::Waits::default());
    state.put(clock::Began(guest.with(|kernel, _| kernel.uptime())));
    state.put(terminal::RawTerminals::new(guest.clone()));
    let channel = Inherited::take(&environment);
    let others = guest.with(|kernel, call| {
        let process = kernel.process(call.pid).ok();
        process.map_or_else(Vec::new, |process| process.descriptors.iter().map(|(fd, _)| fd).collect())
    });
    for fd in others.into_iter().filter(|fd| *fd > Fd::STDERR && channel.is_none_or(|channel| channel.fd != *fd)) {
        let file: Rc<dyn File> = Rc::new(KernelFile::new(guest.clone(), fd, None));
        state.borrow_mut::<FdTable>().register(fd.0 as i32, file);
    }
    if let Some(channel) = channel {
        state.put(channel);
    }
    state.put(guest);
    state.put(environment);
    state.put(Outcome::default());
}
