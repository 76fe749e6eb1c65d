//! Terminals: raw mode and the size of the window.

use crate::guest::Guest;
use crate::ops::stream::{descriptor, done, uv};
use deno_core::{OpState, op2};
use std::collections::HashMap;
use warren_kernel::Errno;
use warren_kernel::pty::control::When;
use warren_kernel::pty::termios::{OutputModes, Termios};

/// Terminals a guest has made raw, and how they were; they are so again when it ends.
pub struct RawTerminals {
    guest: Guest,
    before: HashMap<i32, Termios>,
}

impl RawTerminals {
    /// None yet.
    pub fn new(guest: Guest) -> RawTerminals {
        RawTerminals { guest, before: HashMap::new() }
    }
}

impl Drop for RawTerminals {
    fn drop(&mut self) {
        for (fd, termios) in self.before.drain() {
            // A process that is in the background or gone leaves it to whoever has the terminal.
            let _ = self.guest.with(|kernel, call| kernel.tcsetattr(call, descriptor(fd), termios, When::Now));
        }
    }
}

fn set(guest: &Guest, fd: i32, termios: Termios) -> Result<(), Errno> {
    guest.call(|kernel, call| kernel.tcsetattr(call, descriptor(fd), termios, When::Now))
}

/// Raw mode as libuv makes it: output goes on being processed, so that lines end as they did.
#[op2(fast)]
pub fn op_warren_raw_mode(state: &mut OpState, fd: i32, raw: bool) -> i32 {
    let guest = state.borrow::<Guest>().clone();
    let now = match guest.with(|kernel, call| kernel.tcgetattr(call, descriptor(fd))) {
        Ok(termios) => termios,
        Err(errno) => return uv(errno),
    };
    let terminals = &mut state.borrow_mut::<RawTerminals>().before;
    if !raw {
        return terminals.remove(&fd).map_or(0, |before| done(set(&guest, fd, before)));
    }
    terminals.entry(fd).or_insert(now);
    let mut termios = now.raw();
    termios.output.insert(now.output & OutputModes::all());
    done(set(&guest, fd, termios))
}

/// Columns and lines of a terminal's window.
#[op2(fast)]
pub fn op_warren_window_size(state: &mut OpState, fd: i32, #[buffer] size: &mut [u32]) -> i32 {
    let found = state.borrow::<Guest>().with(|kernel, call| kernel.window_size(call, descriptor(fd)));
    done(found.map(|found| {
        if let [columns, rows, ..] = size {
            (*columns, *rows) = (u32::from(found.columns), u32::from(found.rows));
        }
    }))
}
