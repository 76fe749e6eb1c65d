//! What a test's JSON description says: how to run it, and what it must do.

use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Component, Path};

/// Bytes of a description, at most.
const BYTES_MAX: u64 = 1 << 20;

/// Fields a description may have; each may be missing.
const FIELDS: [&str; 7] = ["args", "dirs", "env", "exit_code", "root", "stderr", "stdout"];

/// A test's description. Without one a test has no arguments, an empty environment, no directories, and must end with 0.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Description {
    /// Arguments after the program's name.
    pub args: Vec<String>,
    /// Folders beside the description that the program finds open, under the same names.
    pub dirs: Vec<String>,
    /// A folder beside the description that the program finds open as `/`.
    pub root: Option<String>,
    /// The whole environment.
    pub env: BTreeMap<String, String>,
    /// What it must end with.
    pub exit_code: i64,
    /// What it must write, if that matters.
    pub stdout: Option<String>,
    /// The same for standard error.
    pub stderr: Option<String>,
}

/// Why a test cannot be judged by its description.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unusable {
    /// It asks for what we do not know.
    Unknown(String),
    /// It is no description.
    Broken(String),
}

impl Description {
    /// Reads a description; a file that is not there is the default.
    pub(super) fn read(path: &Path) -> Result<Description, Unusable> {
        let broken = |error: &dyn std::fmt::Display| Unusable::Broken(format!("{}: {error}", path.display()));
        let mut text = String::new();
        match std::fs::File::open(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Description::default()),
            Err(error) => return Err(broken(&error)),
            Ok(file) => file.take(BYTES_MAX + 1).read_to_string(&mut text).map_err(|error| broken(&error))?,
        };
        if text.len() as u64 > BYTES_MAX {
            return Err(broken(&format_args!("more than {BYTES_MAX} bytes")));
        }
        Description::parse(&text).map_err(|unusable| match unusable {
            Unusable::Broken(reason) => broken(&reason),
            unknown => unknown,
        })
    }

    fn parse(text: &str) -> Result<Description, Unusable> {
        let fields: Map<String, Value> =
            serde_json::from_str(text).map_err(|error| Unusable::Broken(error.to_string()))?;
        if let Some(unknown) = fields.keys().find(|field| !FIELDS.contains(&field.as_str())) {
            return Err(Unusable::Unknown(format!("its description has `{unknown}`, which is not supported")));
        }
        let description: Description =
            serde_json::from_value(Value::Object(fields)).map_err(|error| Unusable::Broken(error.to_string()))?;
        if let Some(outside) = description.directories().find(|directory| !is_beside(directory)) {
            return Err(Unusable::Broken(format!("the directory `{outside}` is not beside it")));
        }
        Ok(description)
    }

    /// The folders to be copied.
    pub(super) fn directories(&self) -> impl Iterator<Item = &str> {
        self.dirs.iter().chain(&self.root).map(String::as_str)
    }

    /// The open directories: where each is from where the program begins, and its name.
    pub(super) fn preopens(&self) -> Vec<(String, String)> {
        let root = self.root.iter().map(|directory| (directory.clone(), "/".to_owned()));
        self.dirs.iter().map(|directory| (directory.clone(), directory.clone())).chain(root).collect()
    }
}

/// Whether a path stays below the folder it is relative to.
fn is_beside(path: &str) -> bool {
    !path.is_empty() && Path::new(path).components().all(|part| matches!(part, Component::Normal(_)))
}

#[cfg(test)]
mod tests;
