//! The pinned Node, on this machine.

use crate::outcome::Outcome;
use crate::program::Program;
use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The user that programs run as when the suite runs as root, here and in sessions: permissions mean nothing to root.
const USUAL_USER: u32 = 1000;
/// The longest a program may take here.
const LIMIT: Duration = Duration::from_secs(60);

/// Node, and a folder with a folder for each program.
pub(crate) struct Host {
    folder: TempDir,
    /// Whose the programs are; the group has the same number.
    pub(crate) user: u32,
    is_root: bool,
}

impl Host {
    /// # Errors
    /// Why Node cannot be had here.
    pub(crate) fn new() -> Result<Host, String> {
        let node = warren_pinned_npm::pinned_node()?;
        let folder = tempfile::Builder::new().prefix("warren-node-").tempdir().unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let owner = fs::metadata(folder.path()).unwrap().uid();
        // Where every user can execute it.
        let bin = folder.path().join("bin");
        fs::create_dir(&bin).unwrap();
        if fs::hard_link(&node, bin.join("node")).is_err() {
            fs::copy(&node, bin.join("node")).unwrap();
        }
        Ok(Host { folder, user: if owner == 0 { USUAL_USER } else { owner }, is_root: owner == 0 })
    }

    fn node(&self) -> PathBuf {
        self.folder.path().join("bin/node")
    }

    /// The environment of every program, here and in sessions. What is in `bin` is found here alone.
    pub(crate) fn environment(&self, folder: &Path) -> Vec<(&'static str, String)> {
        vec![
            ("PATH", format!("{}/bin:/usr/bin:/bin", self.folder.path().display())),
            ("HOME", folder.display().to_string()),
            ("LANG", "C.UTF-8".to_owned()),
            ("TZ", "UTC".to_owned()),
        ]
    }

    /// A new folder for a program, with its files.
    pub(crate) fn folder(&self, program: &Program) -> PathBuf {
        let folder = self.folder.path().join(program.title.replace('/', "-"));
        fs::create_dir(&folder).unwrap();
        let mut made = vec![folder.clone()];
        for (name, text) in &program.files {
            let path = folder.join(name);
            let above: Vec<&Path> = path.ancestors().skip(1).take_while(|above| !above.exists()).collect();
            made.extend(above.iter().map(|path| path.to_path_buf()));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            made.push(path);
        }
        if self.is_root {
            made.iter().for_each(|path| chown(path, Some(self.user), Some(self.user)).unwrap());
        }
        folder
    }

    /// Runs a program in its folder.
    pub(crate) fn run(&self, program: &Program, folder: &Path) -> Outcome {
        let mut command = Command::new(self.node());
        command.arg0("node").args(program.words()).current_dir(folder).env_clear().envs(self.environment(folder));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        if self.is_root {
            command.uid(self.user).gid(self.user);
        }
        let mut child = command.spawn().unwrap();
        // A program that does not read it may be gone.
        let _ = child.stdin.take().unwrap().write_all(program.input.as_bytes());
        let stdout = all_of(child.stdout.take().unwrap());
        let stderr = all_of(child.stderr.take().unwrap());
        let began = Instant::now();
        let status = loop {
            match child.try_wait().unwrap() {
                Some(status) => match (status.code(), status.signal()) {
                    (Some(code), _) => break format!("exited {code}"),
                    (None, signal) => break format!("signal {}", signal.unwrap_or(0)),
                },
                None if began.elapsed() > LIMIT => {
                    child.kill().unwrap();
                    child.wait().unwrap();
                    break "hangs".to_owned();
                }
                None => thread::sleep(Duration::from_millis(2)),
            }
        };
        Outcome { status, stdout: stdout.join().unwrap(), stderr: stderr.join().unwrap() }
    }
}

/// All of a pipe, read by a thread of its own.
fn all_of(mut pipe: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut all = Vec::new();
        pipe.read_to_end(&mut all).unwrap();
        String::from_utf8_lossy(&all).into_owned()
    })
}
