//! The metrics of this crate, for whichever recorder the process has; without one they cost nothing. None has a label that
//! names a tenant, a session or a host.

use metrics::Unit;

/// Connections to the outside that are open.
pub const CONNECTIONS: &str = "warren_egress_connections";
/// Connections that were asked for, by `outcome`: `connected`, `failed`, `refused`, `limited`, `given_up`.
pub const ATTEMPTS: &str = "warren_egress_attempts_total";
/// How long connecting took, where it came to that.
pub const CONNECT: &str = "warren_egress_connect_duration_seconds";
/// Names that were looked up, by `outcome`: `found`, `failed`, `refused`, `limited`.
pub const LOOKUPS: &str = "warren_egress_lookups_total";
/// Bytes of connections, by `direction`: `sent`, `received`.
pub const BYTES: &str = "warren_egress_bytes_total";

pub(crate) const SENT: &str = "sent";
pub(crate) const RECEIVED: &str = "received";

/// Every counter, with its unit and what it counts.
pub const COUNTERS: &[(&str, Unit, &str)] = &[
    (ATTEMPTS, Unit::Count, "Connections to the outside that sessions asked for, by outcome"),
    (LOOKUPS, Unit::Count, "Names that sessions looked up outside, by outcome"),
    (BYTES, Unit::Bytes, "Bytes of connections to the outside, by direction"),
];

/// Every gauge.
pub const GAUGES: &[(&str, Unit, &str)] = &[(CONNECTIONS, Unit::Count, "Connections to the outside that are open")];

/// Every histogram.
pub const HISTOGRAMS: &[(&str, Unit, &str)] = &[(CONNECT, Unit::Seconds, "Time to connect to the outside")];

/// One connection more in the gauge, until it is dropped.
#[derive(Debug)]
pub(crate) struct Open;

impl Open {
    pub(crate) fn new() -> Open {
        metrics::gauge!(CONNECTIONS).increment(1);
        Open
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        metrics::gauge!(CONNECTIONS).decrement(1);
    }
}
