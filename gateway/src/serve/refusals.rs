//! What sessions were refused outside, in the log of who did what.

use std::collections::BTreeMap;
use warren_cluster::audit::{Audit, Deed};
use warren_egress::Witness;
use warren_kernel::host::Host;
use warren_session::id::TenantId;
use warren_wasi_posix::system::SystemHost;

/// Where the verb of a record stands, and what stands for its route: no request caused it.
const METHOD: &str = "CONNECT";
const ROUTE: &str = "egress";
/// As an answer over HTTP would be.
const FORBIDDEN: u16 = 403;

/// Writes them down.
pub(super) struct Refusals(pub(super) Audit);

impl Witness for Refusals {
    fn refused(&self, tenant: &str, session: &str, subject: &str, skipped: u64) {
        let Ok(tenant) = tenant.parse::<TenantId>() else { return };
        let mut targets = BTreeMap::from([("host".to_owned(), subject.to_owned())]);
        targets.insert("session_id".to_owned(), session.to_owned());
        if skipped > 0 {
            targets.insert("skipped".to_owned(), skipped.to_string());
        }
        let deed = Deed {
            time: SystemHost.realtime(),
            method: METHOD.to_owned(),
            route: ROUTE.to_owned(),
            targets,
            status: FORBIDDEN,
            code: Some("egress_refused".to_owned()),
            ..Deed::default()
        };
        self.0.record(&tenant, deed, true);
    }
}
