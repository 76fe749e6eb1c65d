//! `warren config`: what holds, where it came from, and what is wrong with it.

use crate::output;
use clap::Subcommand;
use std::path::PathBuf;
use warren_config::Sources;

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Reads the configuration and says all that is wrong with it.
    Check {
        /// This file instead of the one a server would read.
        file: Option<PathBuf>,
    },
    /// Shows every value that holds, as TOML.
    Show {
        /// This file instead of the one a server would read.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Also where each came from.
        #[arg(long)]
        origin: bool,
    },
}

pub(crate) fn main(command: &ConfigCommand) -> Result<(), Box<dyn std::error::Error>> {
    match command {
        ConfigCommand::Check { file } => {
            let loaded = Sources { file: file.clone(), ..Sources::of_this_process() }.load()?;
            crate::serve::check_level(&loaded.config.log)?;
            match loaded.file {
                Some(path) => output::line(format!("{}: fine", path.display())),
                None => output::line("no configuration file; the defaults are fine"),
            }
        }
        ConfigCommand::Show { config, origin } => {
            let loaded = Sources { file: config.clone(), ..Sources::of_this_process() }.load()?;
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
