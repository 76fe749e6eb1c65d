//! The software Warren knows by name, with the hashes it must have.
//!
//! `software.toml` beside this crate is compiled in, so a binary always knows its own pins; [`software`] parses it and
//! checks what the file format alone cannot promise.

use serde::Deserialize;
use std::collections::HashSet;

/// The text of `software.toml`, as it was when this binary was built.
pub const SOFTWARE_TOML: &str = include_str!("../software.toml");

/// How a package's files lie in its npm tarball, and so where they go in a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PinKind {
    /// Loose WebAssembly commands in `commands/`; each becomes `/usr/bin/<name>`.
    Commands,
    /// One package file at `dist/package.aospkg`; it becomes `/opt/agentos/pkgs/<name>/<version>`.
    Aospkg,
}

/// One package at one version, with the hash its download must have.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pin {
    /// What a user types: `warren software add grep`. Unique in the file.
    pub name: String,
    /// The npm package, for example `@agentos-software/grep`.
    pub package: String,
    /// The exact version; no ranges.
    pub version: String,
    /// npm's `dist.integrity`: `sha512-` and the base64 of the SHA-512 of the `.tgz`.
    pub integrity: String,
    /// Bytes of the `.tgz`; a download of any other size is refused before it is read.
    #[serde(default)]
    pub size: Option<u64>,
    /// How the files lie in the tarball.
    pub kind: PinKind,
    /// SPDX expression, as the package states it.
    pub licence: String,
    /// Whether a user who names nothing gets it.
    #[serde(default)]
    pub default: bool,
}

/// Every pin, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SoftwarePins {
    #[serde(rename = "package")]
    pins: Vec<Pin>,
}

impl SoftwarePins {
    /// All pins, in the order of the file.
    pub fn all(&self) -> &[Pin] {
        &self.pins
    }

    /// The pins installed when a user names nothing. Never empty.
    pub fn defaults(&self) -> impl Iterator<Item = &Pin> {
        self.pins.iter().filter(|pin| pin.default)
    }

    /// The pin a user means by `name`: its short name, or its npm package name.
    pub fn find(&self, name: &str) -> Option<&Pin> {
        self.pins.iter().find(|pin| pin.name == name || pin.package == name)
    }
}

/// Why a list of pins was refused.
#[derive(Debug, thiserror::Error)]
pub enum SoftwarePinsError {
    #[error("software.toml is not valid: {0}")]
    Syntax(#[from] toml::de::Error),
    #[error("software.toml names `{name}` twice; give one of them another name")]
    DuplicateName { name: String },
    #[error("software.toml, `{name}`: integrity has to be `sha512-` and 88 base64 characters, but is `{found}`")]
    Integrity { name: String, found: String },
    #[error("software.toml, `{name}`: version has to be one exact version, but is `{found}`")]
    Version { name: String, found: String },
    #[error("software.toml marks no package `default = true`")]
    NoDefault,
}

/// The pins this binary was built with.
///
/// # Errors
/// Only when `software.toml` was edited into something wrong; a test of this crate fails first.
pub fn software() -> Result<SoftwarePins, SoftwarePinsError> {
    parse_software(SOFTWARE_TOML)
}

/// Parses and checks a list of pins.
///
/// # Errors
/// Syntax, unknown fields, a name used twice, an inexact version, a hash that is not SHA-512, no default.
pub fn parse_software(text: &str) -> Result<SoftwarePins, SoftwarePinsError> {
    let pins: SoftwarePins = toml::from_str(text)?;
    let mut names = HashSet::new();
    for pin in &pins.pins {
        check_pin(pin)?;
        if !names.insert(pin.name.as_str()) {
            return Err(SoftwarePinsError::DuplicateName { name: pin.name.clone() });
        }
    }
    if pins.defaults().next().is_none() {
        return Err(SoftwarePinsError::NoDefault);
    }
    Ok(pins)
}

fn check_pin(pin: &Pin) -> Result<(), SoftwarePinsError> {
    let base64 = pin.integrity.strip_prefix("sha512-").unwrap_or("");
    let letters = base64.trim_end_matches('=');
    let plain = letters.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/');
    if base64.len() != 88 || letters.len() != 86 || !plain {
        return Err(SoftwarePinsError::Integrity { name: pin.name.clone(), found: pin.integrity.clone() });
    }
    let exact = pin.version.starts_with(|first: char| first.is_ascii_digit())
        && pin.version.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-+".contains(&byte));
    if !exact {
        return Err(SoftwarePinsError::Version { name: pin.name.clone(), found: pin.version.clone() });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
