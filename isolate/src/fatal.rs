//! Where the engine would end the server: what a guest wanted too much of ends that guest alone.
//!
//! ```text
//! no memory         ─▶ out_of_memory ─┐
//! V8_Fatal(message) ─▶ fatal ─────────┼─ of a guest's thread, and too large ─▶ its process ends, its thread stays where it is
//! its trap          ─▶ trapped ───────┘  else ─▶ the server ends: after a mistake of the engine's nothing can be trusted
//! a panic           ─▶ panicked ─ of a guest's thread ─▶ its process ends, its thread stays where it is
//! ```
//! A panic of native code that the engine calls would end the server where it comes to the engine's frames. It is a mistake of that code,
//! which has done nothing with what it panicked over.
//!
//! Some of what is too large the engine says on standard error alone, and then executes a trap (`Fatal error with no security impact`, as
//! of `'x'.repeat(2 ** 28).replaceAll(/x/g, 'y$&')`). A trap that no message came before is one of these.

use crate::turns::{exhaust_here, fail_here};
use deno_core::v8;
use std::cell::Cell;
use std::ffi::{c_char, c_int};
use std::mem::zeroed;
use std::ptr::null_mut;
use std::sync::Once;
use warren_isolate_extensions::guest;

/// What the engine says of a thing that is larger than it can make, where it has no way to throw.
const TOO_LARGE: [&str; 3] = ["invalid size error", "invalid array length", "out of memory"];

thread_local! {
    /// A mistake of the engine's was told of on this thread, which is about to trap for it.
    static DISTRUSTED: Cell<bool> = const { Cell::new(false) };
}

/// From now on, for all isolates. Before the engine is begun.
pub(crate) fn watch() {
    v8::V8::set_fatal_error_handler(fatal);
    static PANICS: Once = Once::new();
    PANICS.call_once(|| {
        let told = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            told(panic);
            // What holds a session's kernel is let go first. A thread that stays here keeps the hook as it is, for good.
            if !guest::is_in_kernel() {
                fail_here();
            }
        }));
    });
    // SAFETY: all zeros is an action without flags and with an empty mask, and `trapped` takes what a handler is given.
    unsafe {
        let mut action: libc::sigaction = zeroed();
        action.sa_sigaction = trapped as *const () as usize;
        libc::sigaction(libc::SIGTRAP, &action, null_mut());
    }
}

/// The engine is out of memory, and would end the process next. Of a guest's own thread it does not come back.
pub(crate) unsafe extern "C" fn out_of_memory(_: *const c_char, _: &v8::OomDetails) {
    exhaust_here("FATAL ERROR: JavaScript heap out of memory");
}

/// It has found something else that it cannot go on after.
fn fatal(_: &str, _: i32, message: &str) {
    if TOO_LARGE.iter().any(|known| message.contains(known)) {
        exhaust_here(&format!("FATAL ERROR: {message}"));
    }
    DISTRUSTED.set(true);
}

/// It has executed a trap, on the thread this is called on: between two instructions of the engine's, which holds no lock of ours and is
/// not in the middle of taking or giving memory. So this may do what a function may that is called there.
extern "C" fn trapped(_: c_int) {
    if !DISTRUSTED.get() {
        exhaust_here("FATAL ERROR: JavaScript invalid size error: out of memory");
    }
    // SAFETY: neither takes a pointer. It is delivered as it would have been, when this returns.
    unsafe {
        libc::signal(libc::SIGTRAP, libc::SIG_DFL);
        libc::raise(libc::SIGTRAP);
    }
}
