//! A guest that makes calls of the ABI, whichever the input says: the host does not panic, the session answers, every
//! process can be ended, and when all have ended nothing is held for them.
#![no_main]

libfuzzer_sys::fuzz_target!(
    init: warren_fuzz_wasi_posix::guest::prepare(),
    |data: &[u8]| warren_fuzz_wasi_posix::guest::run(data)
);
