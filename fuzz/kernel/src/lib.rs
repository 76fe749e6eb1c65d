//! What the fuzz targets of the kernel share: a pretend world, and how an input becomes system calls.
//!
//! The world is the one of the kernel's own tests: clocks that are set, a runtime that only notes what it was told to
//! start, fetches that run at once or when they are told to.

#[path = "../../../kernel/tests/common/mod.rs"]
pub mod common;

pub mod edit;
pub mod number;
pub mod operation;
pub mod parked;
pub mod rules;
pub mod run;
pub mod typing;
