//! Agents from npm, unchanged, whose model is the scripted one: how each is started and spoken to, and what each has to do
//! wherever it runs. A test says how a program is started, on this machine or in a session.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "its callers are tests: a panic is what fails one")]

pub mod pi;
