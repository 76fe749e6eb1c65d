//! Node programs that Node and `node` in a session must agree on, and the page that says where they do not.
//!
//! ```text
//! programs/MODULE/NAME.js ──┬─▶ host: the pinned Node, a folder of its own ─▶ Outcome ─┐
//!                           └─▶ session: `node`, the same folder ──────────▶ Outcome ─┴─▶ equal, or a line of known.txt
//! ```
//! Read in this order: [`program`] finds the programs and says what one may ask for, [`host`] and [`session`] run one,
//! [`outcome`] compares, [`suite`] runs them all; [`page`] checks `docs/node-compatibility.md`.
//!
//! `CASE=fs/` chooses programs by a part of their name, and shows what they print.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods, reason = "a test")]

#[path = "../node/harness.rs"]
#[allow(dead_code, reason = "the tests of `node` use the rest")]
mod harness;
mod host;
mod outcome;
mod page;
mod program;
mod session;
mod suite;
