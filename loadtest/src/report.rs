//! The report: a head that says what was measured on what, and a row for each benchmark.

use crate::bed::{self, Failure};
use crate::bench::{Benchmark, Effort, Target};
use crate::machine::Machine;
use crate::measure::Measured;
use serde::Serialize;

/// Everything `--json` prints.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    machine: Machine,
    engine: Engine,
    quick: bool,
    pub(crate) rows: Vec<Row>,
}

/// The engine's options, as they were.
#[derive(Debug, Serialize)]
struct Engine {
    processes: u32,
    keep_resident_bytes: usize,
}

/// One benchmark.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    name: &'static str,
    about: &'static str,
    target: String,
    /// `None` without a target, or when it did not work.
    met: Option<bool>,
    #[serde(flatten)]
    measured: Option<Measured>,
    failure: Option<String>,
}

impl Report {
    pub(crate) fn new(effort: Effort) -> Report {
        let options = bed::options().unwrap_or_default();
        Report {
            machine: Machine::look(),
            engine: Engine { processes: options.processes, keep_resident_bytes: options.keep_resident },
            quick: effort == Effort::Quick,
            rows: Vec::new(),
        }
    }

    /// Whether every benchmark gave a measurement, whatever it is.
    pub(crate) fn worked(&self) -> bool {
        self.rows.iter().all(|row| row.failure.is_none())
    }

    /// The machine's and the engine's line, and the names of the columns.
    pub(crate) fn head(&self) -> String {
        let Report { machine, engine, .. } = self;
        format!(
            "machine: {} cores of {}, Linux {}, load {}\nengine: {} processes, {} KiB of each kept resident; debug assertions {}\n\n{:<16} {:<16} {:>9} {:>9} {:>9} {:>8} {:<6} further",
            machine.cores,
            machine.cpu,
            machine.kernel,
            machine.load,
            engine.processes,
            engine.keep_resident_bytes / 1024,
            if machine.debug_assertions { "on" } else { "off" },
            "benchmark",
            "target",
            "p50",
            "p99",
            "CPU/op",
            "CPU/wall",
            "met",
        )
    }
}

impl Row {
    pub(crate) fn new(benchmark: &Benchmark, measured: Result<Measured, Failure>) -> Row {
        let (measured, failure) = match measured {
            Ok(measured) => (Some(measured), None),
            Err(error) => (None, Some(error.to_string())),
        };
        Row {
            name: benchmark.name,
            about: benchmark.about,
            target: benchmark.target.to_string(),
            met: measured.as_ref().and_then(|measured| benchmark.target.met_by(measured)),
            measured,
            failure,
        }
    }

    /// A line of the table.
    pub(crate) fn text(&self) -> String {
        let Some(measured) = &self.measured else {
            return format!("{:<16} {:<16} FAILED: {}", self.name, self.target, self.failure.as_deref().unwrap_or(""));
        };
        let further: Vec<String> = measured
            .figures
            .iter()
            .map(|figure| format!("{} {} {}", figure.name, number(figure.value), figure.unit))
            .collect();
        format!(
            "{:<16} {:<16} {:>9} {:>9} {:>9} {:>7.0}% {:<6} {}",
            self.name,
            self.target,
            time(measured.p50_us),
            time(measured.p99_us),
            time(measured.cpu_ms * 1e3 / measured.operations.max(1) as f64),
            100.0 * measured.cpu_ms / measured.wall_ms,
            match self.met {
                Some(true) => "yes",
                Some(false) => "NO",
                None => "-",
            },
            further.join(", "),
        )
    }
}

/// Three digits or so of a number.
fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// Microseconds in the unit that suits.
pub(crate) fn time(us: f64) -> String {
    match us {
        us if us >= 1e6 => format!("{} s", number(us / 1e6)),
        us if us >= 1e3 => format!("{} ms", number(us / 1e3)),
        us => format!("{} us", number(us)),
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Target::None => f.write_str("none"),
            Target::Latency { p50_us, p99_us: None } => write!(f, "{}", time(*p50_us)),
            Target::Latency { p50_us, p99_us: Some(p99_us) } => write!(f, "{} / {}", time(*p50_us), time(*p99_us)),
            Target::AtLeast { value, unit, .. } => write!(f, ">= {value} {unit}"),
            Target::AtMost { value, unit, .. } => write!(f, "<= {value} {unit}"),
        }
    }
}
