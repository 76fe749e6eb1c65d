//! What the server writes about itself, to standard error.

use tracing_subscriber::EnvFilter;
use warren_config::settings::{Log, LogFormat};

/// Whether the level can be read.
pub(crate) fn filter(settings: &Log) -> Result<EnvFilter, String> {
    EnvFilter::builder().parse(&settings.level).map_err(|error| format!("`{}`: {error}", settings.level))
}

/// Begins to log; in the words of the filter what is wrong with the level.
pub(crate) fn start(settings: &Log) -> Result<(), String> {
    let lines = tracing_subscriber::fmt().with_env_filter(filter(settings)?).with_writer(std::io::stderr);
    // Whoever logs already in this process goes on.
    let _ = match settings.format {
        LogFormat::Text => lines.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).try_init(),
        LogFormat::Json => lines.json().try_init(),
    };
    Ok(())
}
