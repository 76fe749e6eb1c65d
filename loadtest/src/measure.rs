//! What a run of a benchmark gives, and the median of several.

use crate::bed::Failure;
use crate::machine;
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// One run, or the median of several.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Measured {
    /// Operations timed.
    pub operations: u64,
    /// Wall time of one operation, in microseconds.
    pub p50_us: f64,
    pub p99_us: f64,
    /// Wall time of the whole timed part.
    pub wall_ms: f64,
    /// CPU time of this process meanwhile, all threads.
    pub cpu_ms: f64,
    /// What else was measured; a target may be about one of them.
    pub figures: Vec<Figure>,
}

/// A number with a name and a unit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Figure {
    pub name: String,
    pub unit: String,
    pub value: f64,
}

impl Figure {
    pub(crate) fn new(name: &str, unit: &str, value: f64) -> Figure {
        Figure { name: name.to_owned(), unit: unit.to_owned(), value }
    }
}

impl Measured {
    pub(crate) fn with(mut self, name: &str, unit: &str, value: f64) -> Measured {
        self.figures.push(Figure::new(name, unit, value));
        self
    }

    pub(crate) fn figure(&self, name: &str) -> Option<f64> {
        self.figures.iter().find(|figure| figure.name == name).map(|figure| figure.value)
    }

    /// Each number's median, on its own. `runs` are of one benchmark, so they have the same figures.
    pub(crate) fn median(runs: &[Measured]) -> Measured {
        let of = |pick: &dyn Fn(&Measured) -> f64| median(runs.iter().map(pick));
        let Some(first) = runs.first() else { return Measured::default() };
        Measured {
            operations: first.operations,
            p50_us: of(&|run| run.p50_us),
            p99_us: of(&|run| run.p99_us),
            wall_ms: of(&|run| run.wall_ms),
            cpu_ms: of(&|run| run.cpu_ms),
            figures: first
                .figures
                .iter()
                .map(|figure| Figure {
                    value: of(&|run| run.figure(&figure.name).unwrap_or(f64::NAN)),
                    ..figure.clone()
                })
                .collect(),
        }
    }
}

/// The middle of some numbers, the lower of two; NaN of none.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or(f64::NAN)
}

/// Times operations one by one, and wall and CPU time of them all.
pub(crate) struct Timer {
    histogram: Histogram<u64>,
    begun: Instant,
    cpu: Duration,
}

impl Timer {
    /// Begins the timed part.
    pub(crate) fn begin() -> Result<Timer, Failure> {
        // Three significant digits of nanoseconds, growing to whatever comes.
        let histogram = Histogram::new(3)?;
        Ok(Timer { histogram, begun: Instant::now(), cpu: machine::cpu_time() })
    }

    /// One operation that began then has ended now.
    pub(crate) fn record(&mut self, begun: Instant) -> Duration {
        let took = begun.elapsed();
        self.histogram += took.as_nanos() as u64;
        took
    }

    /// Ends the timed part.
    pub(crate) fn end(self) -> Measured {
        let (wall, cpu) = (self.begun.elapsed(), machine::cpu_time() - self.cpu);
        Measured {
            operations: self.histogram.len(),
            p50_us: self.histogram.value_at_quantile(0.5) as f64 / 1e3,
            p99_us: self.histogram.value_at_quantile(0.99) as f64 / 1e3,
            wall_ms: wall.as_secs_f64() * 1e3,
            cpu_ms: cpu.as_secs_f64() * 1e3,
            figures: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests;
