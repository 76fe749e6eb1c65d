//! The Python client: built as a package, and its own suite run against servers of the binary under test.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

pub mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// What it is checked for: the oldest version the client is for.
const VERSION: &str = "import ensurepip, sys, venv; print(sys.version); sys.exit(sys.version_info < (3, 10))";
/// Made by a build: what a copy of the sources must not have already.
const MADE: &[&str] = &["_sync", "models.py", "__pycache__", ".mypy_cache", ".pytest_cache", ".ruff_cache", "dist"];

#[test]
fn the_suite_of_the_python_client_passes() {
    if !common::software() {
        return;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let Some(python) = python(&root.join("sdk/python/requirements.txt")) else { return };
    let folder = tempfile::tempdir().unwrap();
    let (sources, site) = (folder.path().join("sdk/python"), folder.path().join("site"));
    copy(&root.join("sdk/python"), &sources);
    fs::create_dir_all(folder.path().join("docs")).unwrap();
    fs::copy(root.join("docs/openapi.json"), folder.path().join("docs/openapi.json")).unwrap();

    let mut install = Command::new(&python);
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-index"]);
    let built = install.arg("--no-build-isolation").arg("--target").args([&site, &sources]).output().unwrap();
    assert!(built.status.success(), "the package cannot be built:\n{}", told(&built));

    // The package that was built is tested, and not the sources beside the tests.
    let mut suite = Command::new(&python);
    suite.args(["-m", "pytest", "-q", "--tb=short", "-p", "no:cacheprovider", "-o", "pythonpath=tests"]);
    suite.current_dir(&sources).env("PYTHONPATH", &site).env("WARREN_BIN", env!("CARGO_BIN_EXE_warren"));
    let done = suite.output().unwrap();
    println!("{}", told(&done));
    assert!(done.status.success(), "the suite failed:\n{}", told(&done));
    let text = told(&done);
    assert!(count(&text, " passed") > 0, "no test ran:\n{text}");
    assert_eq!((count(&text, " skipped"), count(&text, " deselected")), (0, 0), "not all ran:\n{text}");
}

/// A Python with all that is needed to build and test the client, in a folder of its own under `~/.cache/warren`, made
/// when it is not there. `None`, with the reason printed, where there is no Python or no way to its packages.
fn python(requirements: &Path) -> Option<PathBuf> {
    let version = match Command::new("python3").args(["-c", VERSION]).output() {
        Ok(output) if output.status.success() => output.stdout,
        Ok(output) => return skipped(&format!("python3 is older than 3.10 or has no venv: {}", told(&output))),
        Err(error) => return skipped(&format!("there is no python3: {error}")),
    };
    let mut hasher = blake3::Hasher::new();
    hasher.update(&fs::read(requirements).unwrap()).update(&version);
    let home = PathBuf::from(std::env::var_os("HOME").expect("HOME is set"));
    let folder = home.join(".cache/warren").join(format!("python-{}", &hasher.finalize().to_hex()[..16]));
    let python = folder.join("bin/python");
    // The last thing that is made: a folder without it was not finished.
    let whole = folder.join("whole");
    if whole.exists() {
        return Some(python);
    }
    let made = Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder).output().unwrap();
    if !made.status.success() {
        return skipped(&format!("python3 makes no venv: {}", told(&made)));
    }
    let mut install = Command::new(&python);
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "-r"]);
    let installed = install.arg(requirements).output().unwrap();
    if !installed.status.success() {
        let text = told(&installed);
        assert!(!text.to_lowercase().contains("hash"), "packages are not those that are pinned:\n{text}");
        return skipped(&format!("the packages it needs cannot be fetched: {text}"));
    }
    fs::write(whole, "").unwrap();
    Some(python)
}

fn skipped(why: &str) -> Option<PathBuf> {
    println!("skipped: the Python client is not tested: {why}");
    None
}

/// All that a program said.
fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The number in front of a word of the suite's last line; 0 if it is not there.
fn count(text: &str, word: &str) -> u64 {
    let last = text.lines().rev().find(|line| line.contains(" in ") && line.contains(" passed")).unwrap_or_default();
    let before = last.split(word).next().filter(|before| before.len() < last.len()).unwrap_or_default();
    before.rsplit([' ', '=']).next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// A copy of a folder, without what builds leave there.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if MADE.iter().any(|made| entry.file_name() == *made) {
            continue;
        }
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => {
                fs::copy(entry.path(), target).unwrap();
            }
        }
    }
}
