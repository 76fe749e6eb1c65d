//! `warren-scripted-llm`: a language-model server that answers from a script. The library says what a script is.
#![forbid(unsafe_code)]

mod output;

use clap::Parser;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};
use warren_scripted_llm::{Options, Pace, SCRIPT_BYTES_MAX, Script, Server};

#[derive(Debug, Parser)]
#[command(name = "warren-scripted-llm", version, about = "A language-model server that answers from a script")]
struct Arguments {
    /// Where to listen; port 0 is a free one. The address is the one line on standard output.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// A script in JSON or TOML, for prompts that bring none.
    #[arg(long, value_name = "FILE")]
    script: Option<PathBuf>,
    /// Refuses requests without this key.
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// What the list of models names; may be given more than once.
    #[arg(long = "model", value_name = "NAME")]
    models: Vec<String>,
    /// Milliseconds before an answer begins, for scripts that say nothing else.
    #[arg(long, value_name = "MS")]
    first_byte_ms: Option<u64>,
    /// Milliseconds between the pieces of an answer.
    #[arg(long, value_name = "MS")]
    between_ms: Option<u64>,
    /// Characters in one event.
    #[arg(long, value_name = "COUNT")]
    delta_chars: Option<usize>,
    /// Bytes in one piece, wherever that cuts.
    #[arg(long, value_name = "BYTES")]
    wire_bytes: Option<usize>,
    /// Requests that the log keeps.
    #[arg(long, value_name = "COUNT", default_value_t = warren_scripted_llm::LOG_ENTRIES_MAX)]
    log_entries: usize,
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            output::note(why);
            ExitCode::FAILURE
        }
    }
}

/// Serves until SIGINT or SIGTERM.
fn run(arguments: Arguments) -> Result<(), String> {
    let script = arguments.script.as_deref().map(read).transpose()?;
    let mut options = Options { listen: arguments.listen, script, key: arguments.key, ..Options::default() };
    if !arguments.models.is_empty() {
        options.models = arguments.models;
    }
    options.log_entries_max = arguments.log_entries;
    options.pace = Pace {
        first_byte_ms: arguments.first_byte_ms,
        between_ms: arguments.between_ms,
        delta_chars: arguments.delta_chars,
        wire_bytes: arguments.wire_bytes,
        ..Pace::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|why| format!("no runtime: {why}"))?;
    runtime.block_on(async {
        let unwatched = |why| format!("cannot wait for signals: {why}");
        let mut interrupt = signal(SignalKind::interrupt()).map_err(unwatched)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(unwatched)?;
        let server = Server::start(options).map_err(|why| why.to_string())?;
        output::line(server.url());
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        Ok(())
    })
}

fn read(path: &std::path::Path) -> Result<Script, String> {
    let named = |why: String| format!("{}: {why}", path.display());
    let bytes = std::fs::metadata(path).map_err(|why| named(why.to_string()))?.len();
    if bytes > SCRIPT_BYTES_MAX as u64 {
        return Err(named(format!("has {bytes} bytes, and may have {SCRIPT_BYTES_MAX}")));
    }
    let text = std::fs::read_to_string(path).map_err(|why| named(why.to_string()))?;
    Script::parse(&text).map_err(|why| named(why.to_string()))
}
