//! What the server writes about itself, to standard error, and where its spans go.
//!
//! Lines hold ids and codes, and nothing that was given to a session. What a client or guest can cause again and again is
//! bounded: of each kind of line [`LINES_MAX`] are written in [`LINES_WITHIN`], and the rest are counted.

use super::traces::Traces;
use crate::metrics::LINES_DROPPED;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tracing::callsite::Identifier;
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::{Context, Filter, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use warren_config::settings::{Config, Log, LogFormat};

/// Lines of one kind (one place in the source) within [`LINES_WITHIN`], at most.
const LINES_MAX: u32 = 100;
/// See [`LINES_MAX`].
const LINES_WITHIN: Duration = Duration::from_secs(10);

/// Whether the level can be read.
pub(crate) fn filter(settings: &Log) -> Result<EnvFilter, String> {
    EnvFilter::builder().parse(&settings.level).map_err(|error| format!("`{}`: {error}", settings.level))
}

/// Begins to log and to trace.
///
/// # Errors
/// In the words of the filter what is wrong with the level; what is wrong with where traces go.
pub(crate) fn start(config: &Config) -> Result<Traces, super::ServeError> {
    let settings = &config.log;
    let level = filter(settings).map_err(super::ServeError::Level)?;
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match settings.format {
        LogFormat::Text => lines.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).boxed(),
        LogFormat::Json => lines.json().boxed(),
    };
    let traces = Traces::start(&config.telemetry)?;
    let spans = traces.layer();
    let all = tracing_subscriber::registry().with(lines.with_filter(level).with_filter(Bounded::default())).with(spans);
    // Whoever logs already in this process goes on.
    let _ = all.try_init();
    Ok(traces)
}

/// Lets so many lines of each kind through, and no more.
#[derive(Debug, Default)]
struct Bounded(Mutex<HashMap<Identifier, Window>>);

#[derive(Clone, Copy, Debug)]
struct Window {
    begun: Instant,
    lines: u32,
}

impl Bounded {
    fn take(&self, kind: Identifier, now: Instant) -> bool {
        // There are as many as places in the source that log.
        let mut kinds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let window = kinds.entry(kind).or_insert(Window { begun: now, lines: 0 });
        if now.duration_since(window.begun) >= LINES_WITHIN {
            *window = Window { begun: now, lines: 0 };
        }
        window.lines = window.lines.saturating_add(1);
        window.lines <= LINES_MAX
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Filter<S> for Bounded {
    fn enabled(&self, _: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        true
    }

    fn callsite_enabled(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::always()
    }

    fn event_enabled(&self, event: &Event<'_>, _: &Context<'_, S>) -> bool {
        let taken = self.take(event.metadata().callsite(), Instant::now());
        if !taken {
            metrics::counter!(LINES_DROPPED).increment(1);
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A kind of line.
    #[derive(Debug)]
    struct Kind;

    static KIND: Kind = Kind;

    impl tracing::Callsite for Kind {
        fn set_interest(&self, _: Interest) {}

        fn metadata(&self) -> &Metadata<'_> {
            unreachable!("nobody asks")
        }
    }

    #[test]
    fn each_kind_of_line_is_bounded_by_itself() {
        let bounded = Bounded::default();
        let (kind, now) = (|| Identifier(&KIND), Instant::now());
        for _ in 0..LINES_MAX {
            assert!(bounded.take(kind(), now));
        }
        assert!(!bounded.take(kind(), now));
        assert!(!bounded.take(kind(), now + LINES_WITHIN - Duration::from_millis(1)));
        assert!(bounded.take(kind(), now + LINES_WITHIN));
    }
}
