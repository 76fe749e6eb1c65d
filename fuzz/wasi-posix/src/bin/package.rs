//! Hostile packages: files, tarballs, records. What is accepted keeps its promises, and what is refused leaves nothing.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| warren_fuzz_wasi_posix::package::run(data));
