//! What is typed into a terminal and written to it, in any modes: bounds hold, no byte is lost or made unless a mode
//! says so, and it does not matter how the bytes are cut.
#![no_main]

use warren_fuzz_kernel::typing::{Event, run};

libfuzzer_sys::fuzz_target!(|events: Vec<Event>| run(&events));
