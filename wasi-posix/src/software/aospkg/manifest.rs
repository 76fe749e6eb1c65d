//! The first metadata chunk: what the package is, and what it adds to a session. Schema v1.

use super::super::bare::{BareError, Reader};
use super::super::path::{self, PATH_BYTES_MAX, PathRule};
use super::super::record::{Agent, Command, ManPage, ProvidedFile, Provides};
use super::{AospkgFault, Chunk};

/// Commands, manual pages and provided files of one package, each.
const ITEMS_MAX: usize = 65_536;
/// Environment variables and launch arguments, each.
const STRINGS_MAX: usize = 4096;
/// One environment value or argument.
const STRING_BYTES_MAX: usize = 64 * 1024;

/// A package's description of itself. Paths are absolute within the package, whatever way they were written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    pub name: String,
    pub version: String,
    pub agent: Option<Agent>,
    pub provides: Provides,
    pub commands: Vec<Command>,
    pub man_pages: Vec<ManPage>,
    pub snapshot_bundle: Option<String>,
}

/// Reads the whole chunk, whose schema number the caller has read.
pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Manifest, AospkgFault> {
    let written = decode_written(reader).and_then(|manifest| reader.clone().finish().map(|()| manifest));
    let mut manifest = written.map_err(|error| AospkgFault::Bare { chunk: Chunk::Manifest, error })?;
    check(&mut manifest)?;
    Ok(manifest)
}

fn decode_written(reader: &mut Reader<'_>) -> Result<Manifest, BareError> {
    Ok(Manifest {
        name: reader.string(PATH_BYTES_MAX)?,
        version: reader.string(PATH_BYTES_MAX)?,
        agent: reader.optional(decode_agent)?,
        provides: reader.optional(decode_provides)?.unwrap_or_default(),
        commands: reader.list(ITEMS_MAX, |item| {
            Ok(Command { name: item.string(PATH_BYTES_MAX)?, entry: item.string(PATH_BYTES_MAX)? })
        })?,
        man_pages: reader.list(ITEMS_MAX, |item| {
            Ok(ManPage { section: item.string(PATH_BYTES_MAX)?, page: item.string(PATH_BYTES_MAX)? })
        })?,
        snapshot_bundle: reader.optional(|bundle| bundle.string(PATH_BYTES_MAX))?,
    })
}

fn decode_agent(reader: &mut Reader<'_>) -> Result<Agent, BareError> {
    Ok(Agent {
        acp_entrypoint: reader.string(PATH_BYTES_MAX)?,
        snapshot: reader.bool()?,
        env: reader.text_map(STRINGS_MAX, STRING_BYTES_MAX)?,
        launch_args: reader.list(STRINGS_MAX, |argument| argument.string(STRING_BYTES_MAX))?,
    })
}

fn decode_provides(reader: &mut Reader<'_>) -> Result<Provides, BareError> {
    Ok(Provides {
        env: reader.text_map(STRINGS_MAX, STRING_BYTES_MAX)?,
        files: reader.list(ITEMS_MAX, |item| {
            Ok(ProvidedFile { source: item.string(PATH_BYTES_MAX)?, target: item.string(PATH_BYTES_MAX)? })
        })?,
    })
}

fn check(manifest: &mut Manifest) -> Result<(), AospkgFault> {
    field("name", &manifest.name, path::check_identifier)?;
    field("version", &manifest.version, path::check_identifier)?;
    for command in &mut manifest.commands {
        field("command", &command.name, path::check_component)?;
        command.entry = field("command's file", &command.entry, path::in_package)?;
    }
    for file in &mut manifest.provides.files {
        file.source = field("provided file", &file.source, path::in_package)?;
        field("provided file's target", &file.target, path::check_absolute)?;
    }
    if let Some(bundle) = &mut manifest.snapshot_bundle {
        *bundle = field("snapshot bundle", bundle, path::in_package)?;
    }
    if let Some(agent) = &manifest.agent {
        field("agent's command", &agent.acp_entrypoint, path::check_component)?;
    }
    Ok(())
}

fn field<T>(field: &'static str, text: &str, rule: impl FnOnce(&str) -> Result<T, PathRule>) -> Result<T, AospkgFault> {
    rule(text).map_err(|rule| AospkgFault::Field { field, text: text.escape_debug().to_string(), rule })
}
