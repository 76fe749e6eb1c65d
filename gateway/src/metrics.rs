//! The metrics of this binary, and the recorder that all crates of the process write to.
//!
//! Each crate names its own in a file like this one. `docs/operations.md` lists all of them; a test holds it to that. None
//! has a label whose values a client chooses.

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use std::sync::OnceLock;

/// Always 1; `version` says which server it is.
pub(crate) const BUILD: &str = "warren_build_info";
/// Requests that were answered, by `method`, `route` (`none` for what is at no route) and `status`.
pub(crate) const REQUESTS: &str = "warren_http_requests_total";
/// From a request's head to the head of its answer, by `route`.
pub(crate) const REQUEST: &str = "warren_http_request_duration_seconds";
/// Requests that have no answer yet.
pub(crate) const REQUESTS_ACTIVE: &str = "warren_http_requests_active";
/// Requests that were refused, by the `code` of the problem.
pub(crate) const REFUSALS: &str = "warren_http_refusals_total";
/// Connections that are open.
pub(crate) const CONNECTIONS: &str = "warren_http_connections_active";
/// WebSockets that are open.
pub(crate) const WEBSOCKETS: &str = "warren_websockets_active";
/// Lines that were not logged, because there were too many like them.
pub(crate) const LINES_DROPPED: &str = "warren_log_lines_dropped_total";
/// Batches of spans that the collector did not take.
pub(crate) const TRACES_FAILED: &str = "warren_trace_exports_failed_total";
/// Tasks there are, by `executor`: `clients` or `guests`.
pub(crate) const TASKS: &str = "warren_executor_tasks";
/// Tasks that wait for a thread, by `executor`.
pub(crate) const TASKS_QUEUED: &str = "warren_executor_tasks_queued";
/// Bytes left on the disk of the data folder.
pub(crate) const DISK_FREE: &str = "warren_disk_free_bytes";
/// Below this many nothing new is begun (`data.reserve`).
pub(crate) const DISK_RESERVE: &str = "warren_disk_reserve_bytes";
/// Processor time of the process.
pub(crate) const CPU: &str = "process_cpu_seconds_total";
/// Its memory that is resident.
pub(crate) const RESIDENT: &str = "process_resident_memory_bytes";
/// Its descriptors.
pub(crate) const DESCRIPTORS: &str = "process_open_fds";
/// How many it may have.
pub(crate) const DESCRIPTORS_MAX: &str = "process_max_fds";
/// Its threads.
pub(crate) const THREADS: &str = "process_threads";
/// When it began, in seconds since 1970.
pub(crate) const BEGUN: &str = "process_start_time_seconds";

const COUNTERS: &[(&str, Unit, &str)] = &[
    (REQUESTS, Unit::Count, "Requests that were answered, by method, route and status"),
    (REFUSALS, Unit::Count, "Requests that were refused, by code"),
    (LINES_DROPPED, Unit::Count, "Lines that were not logged because there were too many like them"),
    (TRACES_FAILED, Unit::Count, "Batches of spans that the collector did not take"),
];
const GAUGES: &[(&str, Unit, &str)] = &[
    (BUILD, Unit::Count, "Which version this is"),
    (REQUESTS_ACTIVE, Unit::Count, "Requests without an answer yet"),
    (CONNECTIONS, Unit::Count, "Connections that are open"),
    (WEBSOCKETS, Unit::Count, "WebSockets that are open"),
    (TASKS, Unit::Count, "Tasks there are, by executor"),
    (TASKS_QUEUED, Unit::Count, "Tasks that wait for a thread, by executor"),
    (DISK_FREE, Unit::Bytes, "Bytes left on the disk of the data folder"),
    (DISK_RESERVE, Unit::Bytes, "Below this many nothing new is begun"),
    (CPU, Unit::Seconds, "Processor time of the process"),
    (RESIDENT, Unit::Bytes, "Resident memory of the process"),
    (DESCRIPTORS, Unit::Count, "Descriptors of the process"),
    (DESCRIPTORS_MAX, Unit::Count, "Descriptors the process may have"),
    (THREADS, Unit::Count, "Threads of the process"),
    (BEGUN, Unit::Seconds, "When the process began, since 1970"),
];
const HISTOGRAMS: &[(&str, Unit, &str)] =
    &[(REQUEST, Unit::Seconds, "From the head of a request to that of its answer, by route")];

/// Upper bounds of the buckets of what is measured in seconds: 100 µs to a minute.
const BUCKETS: [f64; 18] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// What one metric is, or some that are alike.
type Described = &'static [(&'static str, Unit, &'static str)];

/// Of all crates: what counts up, what goes up and down, what has a distribution.
const ALL: [[Described; 3]; 5] = [
    [COUNTERS, GAUGES, HISTOGRAMS],
    [warren_session::metrics::COUNTERS, warren_session::metrics::GAUGES, warren_session::metrics::HISTOGRAMS],
    [warren_egress::metrics::COUNTERS, warren_egress::metrics::GAUGES, warren_egress::metrics::HISTOGRAMS],
    [warren_cluster::metrics::COUNTERS, &[], warren_cluster::metrics::HISTOGRAMS],
    [warren_wasi_posix::metrics::COUNTERS, &[], warren_wasi_posix::metrics::HISTOGRAMS],
];

/// The recorder of this process.
#[derive(Clone, Debug)]
pub(crate) struct Metrics(PrometheusHandle);

impl Metrics {
    /// Begins to record; the same for everybody in the process.
    pub(crate) fn of_this_process() -> Metrics {
        static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
        let handle = HANDLE.get_or_init(|| {
            let seconds = Matcher::Suffix("_seconds".to_owned());
            let builder = PrometheusBuilder::new().set_buckets_for_metric(seconds, &BUCKETS);
            let recorder = builder.expect("there are buckets").build_recorder();
            let handle = recorder.handle();
            // Whoever records already in this process goes on, and this one has nothing to tell.
            let _ = metrics::set_global_recorder(recorder);
            describe();
            handle
        });
        Metrics(handle.clone())
    }

    /// All of them in Prometheus' text format.
    pub(crate) fn render(&self) -> String {
        self.0.render()
    }

    /// Moves what was measured into its buckets; without it, it would wait in memory for somebody to look.
    pub(crate) fn tidy(&self) {
        self.0.run_upkeep();
    }
}

fn describe() {
    for [counters, gauges, histograms] in ALL {
        counters.iter().for_each(|(name, unit, about)| describe_counter!(*name, *unit, *about));
        gauges.iter().for_each(|(name, unit, about)| describe_gauge!(*name, *unit, *about));
        histograms.iter().for_each(|(name, unit, about)| describe_histogram!(*name, *unit, *about));
    }
    gauge!(BUILD, "version" => env!("CARGO_PKG_VERSION")).set(1);
    // There from the start, so that a rate of them is known from the first on.
    for name in [LINES_DROPPED, TRACES_FAILED, warren_cluster::metrics::LOG_FAILURES, warren_session::metrics::FAILURES]
    {
        counter!(name).increment(0);
    }
}

/// One more in a gauge, until it is dropped.
#[derive(Debug)]
pub(crate) struct Counted(&'static str);

impl Counted {
    pub(crate) fn new(name: &'static str) -> Counted {
        gauge!(name).increment(1);
        Counted(name)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        gauge!(self.0).decrement(1);
    }
}

#[cfg(test)]
mod tests {
    use super::ALL;

    /// Named once, in one way, and told of.
    #[test]
    fn every_metric_is_documented() {
        let text = include_str!("../../docs/operations.md");
        let mut names: Vec<&str> = ALL.iter().flatten().flat_map(|all| all.iter().map(|(name, ..)| *name)).collect();
        for name in &names {
            assert!(text.contains(&format!("| `{name}` |")), "docs/operations.md has no row for {name}");
            assert!(name.starts_with("warren_") || name.starts_with("process_"), "{name}");
        }
        for counted in ALL.map(|[counters, ..]| counters).iter().flat_map(|all| all.iter()) {
            assert!(counted.0.ends_with("_total"), "{}", counted.0);
        }
        for row in text.lines().filter_map(|line| line.strip_prefix("| `warren_")?.split('`').next()) {
            let name = format!("warren_{row}");
            assert!(names.contains(&name.as_str()), "docs/operations.md has a row for {name}, which is no metric");
        }
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count, "a name is used twice");
    }
}
