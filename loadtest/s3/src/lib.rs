//! A server that speaks S3 and fails as it is told to, for tests. It keeps to the conditions of writes as AWS does, under one
//! lock around the look and the change; what it is told to do wrong, it does wrong on purpose.
//!
//! ```text
//! connection ─▶ faults: refuse, wait, cut ─▶ the crate s3s: HTTP, XML ─▶ service ─▶ objects
//! ```
//! Read in this order. [`objects`] is a bucket and its conditions; a [`faults`] script says what goes wrong and when; a
//! [`server`] is both behind a socket. Nothing of it is for production: objects are in memory, and nobody is asked who they are.
#![forbid(unsafe_code)]

pub mod faults;
pub mod objects;
pub mod server;

mod service;

pub use faults::{Fault, Operation, Script};
pub use objects::Conditions;
pub use server::{Double, Options};
