//! Every bound of what nodes say to each other, and how long anything may take.

use std::fmt;
use std::time::Duration;
use tokio::time::Instant;

/// The bounds. The defaults fit nodes in one region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Requests to one peer, and from one peer, that are on their way at a time. Default 2,048.
    pub requests_per_peer: usize,
    /// Requests to all peers, and from all, at a time. Default 16,384.
    pub requests_total: usize,
    /// Peers a node keeps connections to, at most. Default 1,024.
    pub peers: usize,
    /// Connections a node accepts at a time. Default 2,048.
    pub connections: usize,
    /// Connections that have not shown yet whose they are. Default 64.
    pub handshakes: usize,
    /// Bytes of a body that are sent before the other side takes any: what a body that nobody reads holds there. Default 256 KiB.
    pub stream_window: u32,
    /// Bytes of the headers of a request or an answer, at most, as RFC 9113 counts them (32 for each more). Default 64 KiB.
    pub header_bytes: u32,
    /// Bytes of a request's body, at most. Default 16 GiB: a gateway has bounds of its own.
    pub request_bytes: u64,
    /// Bytes of an answer's body, at most. Default no bound: a stream of events has no end.
    pub answer_bytes: u64,
    /// So often a connection is pinged, by each side. Default 1 s.
    pub ping_every: Duration,
    /// One that does not answer a ping for so long is dead. Default 2 s: so a dead peer is noticed within 3 s.
    pub ping_patience: Duration,
    /// From the first packet until the peer has answered a ping. Default 2 s.
    pub connect: Duration,
    /// A request's body from which nothing comes for so long, or a body of which nothing is taken, ends. Default 60 s. Not of
    /// tunnels: what goes over one has pings of its own.
    pub body_stall: Duration,
    /// An answer from which nothing comes for so long ends. Default 5 min: streams of events have heartbeats.
    pub answer_stall: Duration,
    /// For a request that names no deadline. Default 30 s.
    pub deadline: Duration,
    /// Deadlines that are later than this are this. Default 1 h.
    pub deadline_max: Duration,
    /// The first pause after a failed connection. Default 50 ms.
    pub backoff_min: Duration,
    /// The longest. Default 2 s: a peer that is back is found within that.
    pub backoff_max: Duration,
    /// A connection nobody used for so long is closed. Default 5 min.
    pub idle: Duration,
    /// How long requests may go on behind a connection that is to end. Default 30 s.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            requests_per_peer: 2048,
            requests_total: 16_384,
            peers: 1024,
            connections: 2048,
            handshakes: 64,
            stream_window: 256 * 1024,
            header_bytes: 64 * 1024,
            request_bytes: 16 << 30,
            answer_bytes: u64::MAX,
            ping_every: Duration::from_secs(1),
            ping_patience: Duration::from_secs(2),
            connect: Duration::from_secs(2),
            body_stall: Duration::from_secs(60),
            answer_stall: Duration::from_secs(300),
            deadline: Duration::from_secs(30),
            deadline_max: Duration::from_secs(3600),
            backoff_min: Duration::from_millis(50),
            backoff_max: Duration::from_secs(2),
            idle: Duration::from_secs(300),
            grace: Duration::from_secs(30),
        }
    }
}

/// Bytes of one HTTP/2 frame, at most.
pub(crate) const FRAME: u32 = 64 * 1024;
/// Bytes of all bodies of a connection that are sent before any is taken: as many as HTTP/2 can say (RFC 9113, 6.9.1), so that
/// bodies nobody reads hold up no others. What holds memory down is the window of each.
pub(crate) const CONNECTION_WINDOW: u32 = (1 << 31) - 1;
/// Requests beyond the bound that are still heard, to be refused in words.
pub(crate) const REFUSED_IN_WORDS: usize = 64;

/// When something has to be done. On its way it is what is left of it: clocks of two nodes are not compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

impl Deadline {
    /// So long from now.
    pub fn after(length: Duration) -> Deadline {
        let now = Instant::now();
        Deadline(now.checked_add(length).unwrap_or(now + Duration::from_secs(86_400)))
    }

    /// What is left of it.
    pub fn left(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// The moment.
    pub fn at(self) -> Instant {
        self.0
    }

    /// The earlier of two.
    #[must_use]
    pub fn min(self, other: Deadline) -> Deadline {
        Deadline(self.0.min(other.0))
    }

    /// What is left, in milliseconds, as a header says it.
    pub(crate) fn text(self) -> String {
        self.left().as_millis().to_string()
    }

    /// What a header says, at most `most` from now.
    ///
    /// # Errors
    /// Anything but a number.
    pub(crate) fn parse(text: &str, most: Duration) -> Result<Deadline, NotADeadline> {
        let digits = !text.is_empty() && text.len() <= 15 && text.bytes().all(|byte| byte.is_ascii_digit());
        let millis = if digits { text.parse().ok() } else { None };
        let millis = millis.ok_or_else(|| NotADeadline(text.chars().take(32).collect()))?;
        Ok(Deadline::after(Duration::from_millis(millis).min(most)))
    }
}

/// A header that says no deadline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NotADeadline(String);

impl fmt::Display for NotADeadline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is no deadline: milliseconds", self.0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]
    use super::Deadline;
    use std::time::Duration;

    #[test]
    fn a_deadline_is_a_number_and_bounded() {
        let most = Duration::from_secs(10);
        assert!(Deadline::parse("99999999", most).unwrap().left() <= most);
        assert_eq!(Deadline::parse("0", most).unwrap().left(), Duration::ZERO);
        for wrong in ["", "-1", "+1", "1.5", "1s", "1000000000000000"] {
            assert!(Deadline::parse(wrong, most).is_err(), "{wrong}");
        }
    }
}
