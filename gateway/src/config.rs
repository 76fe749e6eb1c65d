//! `warren config`: what holds, where it came from, and what is wrong with it.

use crate::output;
use clap::Subcommand;
use serde_json::{Value, json};
use std::path::PathBuf;
use warren_config::load::Origin;
use warren_config::{Problem, Sources};

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Reads the configuration and says all that is wrong with it.
    Check {
        /// This file instead of the one a server would read.
        file: Option<PathBuf>,
        /// As JSON: `{"file": ..., "problems": [...]}`.
        #[arg(long)]
        json: bool,
    },
    /// Shows every value that holds, as TOML.
    Show {
        /// This file instead of the one a server would read.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Also where each came from.
        #[arg(long)]
        origin: bool,
        /// As JSON, a list of keys with their values as TOML and where each came from.
        #[arg(long)]
        json: bool,
    },
}

pub(crate) fn main(command: &ConfigCommand) -> Result<(), Box<dyn std::error::Error>> {
    match command {
        ConfigCommand::Check { file, json } => {
            let loaded = Sources { file: file.clone(), ..Sources::of_this_process() }.load();
            if let (true, Err(error)) = (json, &loaded) {
                output::line(json!({ "problems": error.0.iter().map(as_json).collect::<Vec<_>>() }));
            }
            let loaded = loaded?;
            crate::serve::check_level(&loaded.config.log)?;
            match loaded.file {
                path if *json => output::line(json!({ "file": path, "problems": [] })),
                Some(path) => output::line(format!("{}: fine", path.display())),
                None => output::line("no configuration file; the defaults are fine"),
            }
        }
        ConfigCommand::Show { config, origin, json } => {
            let loaded = Sources { file: config.clone(), ..Sources::of_this_process() }.load()?;
            if *json {
                let entry = |(key, value, from): (String, String, Origin)| json!({ "key": key, "value": value, "origin": from.to_string() });
                output::line(Value::Array(loaded.values().into_iter().map(entry).collect()));
                return Ok(());
            }
            for (key, value, from) in loaded.values() {
                match origin {
                    true => output::line(format!("{key} = {value}  # {from}")),
                    false => output::line(format!("{key} = {value}")),
                }
            }
        }
    }
    Ok(())
}

/// One thing that is wrong, with who said it.
pub(crate) fn as_json(problem: &Problem) -> Value {
    json!({ "origin": problem.origin.to_string(), "key": problem.key, "reason": problem.reason })
}
