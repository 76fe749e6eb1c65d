//! A Rust program catches SIGINT: its handler runs while the program waits, and the program ends as it likes.
//!
//! On WebAssembly the standard library knows no signals: the two functions of the host ABI are declared here, as a
//! crate for signals would. Files and output are the standard library's.

use std::io::Write;
use std::sync::atomic::{AtomicI32, Ordering};

static SEEN: AtomicI32 = AtomicI32::new(0);
const SIGINT: i32 = 2;
const SIGUSR1: i32 = 10;

extern "C" fn handler(signal: i32) {
    SEEN.store(signal, Ordering::SeqCst);
}

#[cfg(target_os = "wasi")]
mod host {
    #[link(wasm_import_module = "host_process")]
    extern "C" {
        fn proc_sigaction(signal: i32, action: i32, mask_lo: u32, mask_hi: u32, flags: u32) -> i32;
        fn proc_kill(pid: i32, signal: i32) -> i32;
        fn proc_getpid(out: *mut i32) -> i32;
    }

    #[export_name = "__wasi_signal_trampoline"]
    extern "C" fn trampoline(signal: i32) {
        super::handler(signal);
    }

    pub fn catch(signal: i32) -> bool {
        unsafe { proc_sigaction(signal, 2, 0, 0, 0) == 0 }
    }

    pub fn send_self(signal: i32) -> bool {
        let mut pid = 0;
        unsafe { proc_getpid(&mut pid) == 0 && proc_kill(pid, signal) == 0 }
    }
}

#[cfg(not(target_os = "wasi"))]
mod host {
    extern "C" {
        fn signal(signal: i32, handler: extern "C" fn(i32)) -> usize;
        fn raise(signal: i32) -> i32;
    }

    pub fn catch(number: i32) -> bool {
        unsafe { signal(number, super::handler) != usize::MAX }
    }

    pub fn send_self(signal: i32) -> bool {
        unsafe { raise(signal) == 0 }
    }
}

fn main() {
    println!("caught {}", host::catch(SIGINT));
    println!("sent {}", host::send_self(SIGINT));
    println!("seen {}", SEEN.load(Ordering::SeqCst));
    // A WASI program that uses the host ABI finds its directories by their paths, and begins in the root.
    if let Ok(directory) = std::env::var("PWD") {
        std::env::set_current_dir(directory).expect("the working directory");
    }
    std::fs::write("note", b"interrupted").expect("a file in the working directory");
    println!("note {}", std::fs::read_to_string("note").expect("what was written"));
    println!("missing {:?}", std::fs::File::open("missing").map_err(|error| error.kind()).err());
    std::io::stdout().flush().expect("output");
    // Nothing catches this one.
    host::send_self(SIGUSR1);
    println!("not reached");
}
