//! Descriptors: what they are, and standard output as the console writes it.

use crate::guest::Guest;
use deno_core::{OpState, ResourceId, op2};
use deno_error::JsErrorBox;
use warren_kernel::id::Fd;
use warren_kernel::socket::Name;
use warren_kernel::vfs::FileKind;

/// What Node calls the kinds of descriptor.
#[derive(Clone, Copy)]
#[repr(u32)]
enum HandleType {
    Tcp = 0,
    Tty,
    Udp,
    File,
    Pipe,
    Unknown,
}

/// What a descriptor is, by number.
#[op2(fast)]
pub fn op_node_guess_handle_type(state: &mut OpState, fd: u32) -> u32 {
    let Some(guest) = state.try_borrow::<Guest>() else { return HandleType::Unknown as u32 };
    let kind = guest.with(|kernel, call| {
        if kernel.tcgetattr(call, Fd(fd)).is_ok() {
            return HandleType::Tty;
        }
        match kernel.fstat(call, Fd(fd)).map(|stat| stat.kind) {
            Ok(FileKind::Regular | FileKind::Character | FileKind::Block) => HandleType::File,
            Ok(FileKind::Fifo) => HandleType::Pipe,
            Ok(FileKind::Socket) => match kernel.socket_name(call, Fd(fd)) {
                Ok(Name::Inet(_)) => HandleType::Tcp,
                Ok(_) => HandleType::Pipe,
                Err(_) => HandleType::Udp,
            },
            _ => HandleType::Unknown,
        }
    });
    kind as u32
}

/// Whether a standard stream is a terminal.
#[op2(fast)]
pub fn op_is_terminal(state: &mut OpState, #[smi] resource: ResourceId) -> bool {
    // While the snapshot is made there is nobody.
    let Some(guest) = state.try_borrow::<Guest>() else { return false };
    resource <= 2 && guest.with(|kernel, call| kernel.tcgetattr(call, Fd(resource)).is_ok())
}

/// The console's: all of it, waiting for room. A reader that is gone ends nothing.
#[op2(fast)]
pub fn op_print(state: &mut OpState, #[string] text: &str, is_error: bool) -> Result<(), JsErrorBox> {
    let guest = state.borrow::<Guest>().clone();
    let fd = if is_error { Fd::STDERR } else { Fd::STDOUT };
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        match guest.call(|kernel, call| kernel.write(call, fd, &[rest])) {
            Ok(written) => rest = &rest[written..],
            Err(_) => break,
        }
    }
    Ok(())
}

/// A file's text, for a program's first script; what is not UTF-8 is replaced.
#[op2]
#[string]
pub fn op_warren_read_source(state: &mut OpState, #[string] path: &str) -> Result<String, JsErrorBox> {
    const SOURCE_BYTES_MAX: usize = 512 << 20;
    let guest = state.borrow::<Guest>().clone();
    let read = guest.call(|kernel, call| kernel.read_file(call, path.as_bytes(), SOURCE_BYTES_MAX));
    let bytes = read.map_err(|errno| JsErrorBox::from_err(crate::errno::io_error(errno)))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
