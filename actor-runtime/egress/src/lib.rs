//! The way out of a session: which hosts it reaches, and who carries its connections there.
//!
//! ```text
//! guest ── connect() ──▶ kernel ── Outbound ──▶ Way ─ judge ─┬▶ refused: the guest, the log, the witness
//!                                                            └▶ dial ─▶ TcpStream ══ pump ══ FarEnd ─▶ guest
//! guest ── lookup ────▶ kernel ── name ───────▶ Way ─ rule for the name? ─▶ resolver ─▶ addresses it may reach
//! ```
//! A session begins with no rule and reaches nothing. Read in this order: [`address`] knows which addresses are everybody's
//! and which are somebody's own, a [`rule`] names what a session reaches, [`judge`] decides; a [`resolver`] finds
//! addresses, `dial` connects to one of them, `pump` moves the bytes at the [`pace`] of the tenant; a [`way`] is one
//! session's, a [`carrier`] is what all ways of a node share.
//!
//! What is decided is decided for each connection, after its name was resolved, by the address that is then dialled: a name
//! that stands for another address a moment later is judged by that one.
//!
//! Locks: a way's live connections, then its rules; its witness's count, a carrier's count and a bucket alone. None is held while anything waits.
#![forbid(unsafe_code)]

pub mod address;
pub mod judge;
pub mod rule;

pub mod resolver;

mod dial;
pub mod pace;
mod pump;

pub mod carrier;
pub mod metrics;
pub mod way;

pub use carrier::{Carrier, NoWitness, Options, Witness};
pub use pace::Pace;
pub use rule::{Rule, RuleError, Rules};
pub use way::Way;
