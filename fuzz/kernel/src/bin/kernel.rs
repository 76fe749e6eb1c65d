//! Sequences of system calls against a kernel: nothing panics, no limit is passed, and when everyone has exited and
//! all files are removed, nothing is left.
#![no_main]

use arbitrary::{Arbitrary, Unstructured};
use warren_fuzz_kernel::operation::Operation;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let mut input = Unstructured::new(data);
    let mut operations = Vec::new();
    while !input.is_empty()
        && let Ok(operation) = Operation::arbitrary(&mut input)
    {
        operations.push(operation);
    }
    warren_fuzz_kernel::run::run(&operations);
});
