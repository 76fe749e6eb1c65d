//! A TCP proxy between two that talk, which is slow, stalls, resets and refuses as it is told to, while it runs, for tests.
//!
//! ```text
//! client ─▶ reads, notes when it is due ─▶ queue, 256 KiB ─▶ waits: due, not stalled, not too fast ─▶ writes ─▶ server
//!        ◀─────────────────────────── the same, with a weather of its own ◀──────────────────────────────
//! ```
//! A [`proxy::Proxy`] listens for one server. A [`Weather`] is what goes wrong in one direction: of all connections, those to
//! come too, or of one. Bytes are never lost, as TCP loses none: a direction that is cut holds them until it is not. What a proxy
//! cannot do: keep a connection from being made without an answer, and drop single packets.
#![forbid(unsafe_code)]

pub mod proxy;

mod pump;

pub use proxy::{Link, Proxy};

use std::time::Duration;

/// From whom to whom bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From who connected to who listens.
    ToServer,
    /// Back.
    ToClient,
}

/// What goes wrong in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weather {
    /// Bytes come this much later. Those that are on their way when it changes keep theirs.
    pub latency: Duration,
    /// Bytes in a second, at most.
    pub bytes_per_s: Option<u64>,
    /// Nothing comes through until this is taken back: one way, a cut; both ways, a partition.
    pub stalled: bool,
}

impl Weather {
    /// Nothing goes wrong.
    pub const FAIR: Weather = Weather { latency: Duration::ZERO, bytes_per_s: None, stalled: false };
    /// Nothing comes through.
    pub const STALLED: Weather = Weather { latency: Duration::ZERO, bytes_per_s: None, stalled: true };

    /// Only late.
    pub const fn late(latency: Duration) -> Weather {
        Weather { latency, ..Weather::FAIR }
    }

    /// Only slow.
    pub const fn slow(bytes_per_s: u64) -> Weather {
        Weather { bytes_per_s: Some(bytes_per_s), ..Weather::FAIR }
    }
}
