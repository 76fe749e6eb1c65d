//! Which limits hold: those of the configuration, and those of the system around it.

use super::Report;
use super::folder::Holder;
use super::machine::{control_group, memory_bytes, open_files};
use rustix::process::{Resource, getrlimit};
use warren_config::Loaded;
use warren_config::load::Origin;
use warren_kernel::limits::Limits;

/// Settings that bound something; sections with all that is in them.
const SECTIONS: &[&str] = &["limits.", "limits_max.", "quotas."];
const SETTINGS: &[&str] = &[
    "server.connections_max",
    "server.connections_per_address",
    "server.requests_per_address",
    "server.refusals_per_address",
    "server.requests_per_key",
    "server.websockets_max",
    "server.header_timeout",
    "server.body_timeout",
    "server.request_bytes_max",
    "server.upload_bytes_max",
    "server.drain",
    "data.reserve",
    "sessions.awake_max",
    "sessions.grace",
    "sessions.output_bytes_max",
    "egress.connections_max",
    "node.isolates_ready",
    "node.code_bytes_max",
    "node.code_disk_bytes_max",
    "audit.keep",
    "audit.bytes_max",
];

pub(super) fn of_the_configuration(report: &mut Report, loaded: &Loaded) {
    let values = loaded.values();
    let bounds = |key: &str| SETTINGS.contains(&key) || SECTIONS.iter().any(|section| key.starts_with(section));
    for (key, value, from) in values.iter().filter(|(key, ..)| bounds(key)) {
        report.limit(key.clone(), value.trim_matches('"'), from.to_string());
    }
    for limit in Limits::TABLE {
        let key = format!("limits.{}", limit.name);
        if !loaded.config.limits.contains_key(limit.name) {
            report.limit(key, limit.default.to_string(), Origin::Default.to_string());
        }
    }
}

pub(super) fn of_the_system(report: &mut Report, holder: Option<&Holder>) {
    let number = |number: u64| if number == u64::MAX { "unlimited".to_owned() } else { number.to_string() };
    let (soft, hard) = open_files(holder);
    report.limit("system.open_files", number(soft), format!("RLIMIT_NOFILE, at most {}", number(hard)));
    let addresses = getrlimit(Resource::As).current.unwrap_or(u64::MAX);
    report.limit("system.address_bytes", number(addresses), "RLIMIT_AS");
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    report.limit("system.processors", cores.to_string(), "the scheduler");
    if let Some((bytes, whose)) = memory_bytes() {
        report.limit("system.memory_bytes", bytes.to_string(), whose);
    }
    for (name, file) in [("system.cpu_quota", "cpu.max"), ("system.threads", "pids.max")] {
        if let Some(value) = control_group(file) {
            report.limit(name, value, "the control group");
        }
    }
}
