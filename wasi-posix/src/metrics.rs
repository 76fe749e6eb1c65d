//! The metrics of this crate, for whichever recorder the process has; without one they cost nothing.

use metrics::Unit;
use std::time::Instant;

/// Modules whose compiled code was found, or had to be made, by `source`: `kept` or `made`.
pub const MODULES: &str = "warren_modules_loaded_total";
/// How long it took to compile one.
pub const COMPILE: &str = "warren_module_compile_duration_seconds";

/// Every counter, with its unit and what it counts.
pub const COUNTERS: &[(&str, Unit, &str)] = &[(MODULES, Unit::Count, "Modules of guests that were loaded, by source")];

/// Every histogram.
pub const HISTOGRAMS: &[(&str, Unit, &str)] = &[(COMPILE, Unit::Seconds, "Time to compile a module")];

/// A module that is being compiled, until it is dropped.
#[derive(Debug)]
pub(crate) struct Made(Instant);

impl Made {
    #[expect(clippy::disallowed_methods, reason = "how long this machine takes to compile is no clock of a guest's")]
    pub(crate) fn begin() -> Made {
        Made(Instant::now())
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        metrics::counter!(MODULES, "source" => "made").increment(1);
        metrics::histogram!(COMPILE).record(self.0.elapsed());
    }
}
