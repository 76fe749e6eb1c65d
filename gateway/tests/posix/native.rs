//! Runs a case on this machine: as an ordinary user, in a session of its own and a new empty directory.

use super::{ENVIRONMENT, End, Outcome};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, geteuid, kill_process, waitid};
use std::fs::{self, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// User and group a case runs as when the suite itself runs as root.
const USER_ID: u32 = 1000;
/// Descriptors a process may have, as in a session.
const OPEN_FILES: u32 = 1024;
const POLL_INTERVAL: Duration = Duration::from_millis(1);
const STDOUT_BYTES_MAX: u64 = 1 << 20;

/// Closes descriptors a test runner leaked, gives signals it ignored their default action, and leaves its session. The
/// shell leads no process group, so setsid needs no child of its own to leave the session in.
const LAUNCH: &str = r#"umask 022; ulimit -c 0; ulimit -Hn "$1"; ulimit -Sn "$1"; shift
for fd in /proc/self/fd/*; do fd=${fd##*/}; [ "$fd" -gt 2 ] && exec {fd}>&-; done
exec env --default-signal --unset=SHLVL --unset=PWD --unset=OLDPWD --unset=_ setsid "$@""#;

/// Runs a program with these arguments and collects what it printed; everything it left running is killed.
pub(super) fn run(program: &Path, arguments: &[&str], limit: Duration) -> io::Result<Outcome> {
    let top = tempfile::Builder::new().prefix("warren-posix-").tempdir()?;
    fs::set_permissions(top.path(), Permissions::from_mode(0o755))?;
    let work = top.path().canonicalize()?.join("work");
    fs::create_dir(&work)?;
    // The build's folder may be one that only its owner can search.
    let copy = top.path().canonicalize()?.join("case");
    fs::copy(program, &copy)?;
    fs::set_permissions(&copy, Permissions::from_mode(0o755))?;
    let mut command = if geteuid().is_root() {
        std::os::unix::fs::chown(&work, Some(USER_ID), Some(USER_ID))?;
        let mut command = Command::new("setpriv");
        command.args([format!("--reuid={USER_ID}"), format!("--regid={USER_ID}")]);
        command.args(["--clear-groups", "--", "bash"]);
        command
    } else {
        Command::new("bash")
    };
    command.args(["-c", LAUNCH, "bash", &OPEN_FILES.to_string()]).arg(&copy).args(arguments).current_dir(&work);
    command.env_clear().env("HOME", &work);
    command.envs(ENVIRONMENT.iter().filter_map(|entry| entry.split_once('=')));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    to_end(command.spawn()?, limit)
}

fn to_end(mut child: Child, limit: Duration) -> io::Result<Outcome> {
    let pid = Pid::from_child(&child);
    let deadline = Instant::now() + limit;
    let readers = (background(child.stdout.take()), background(child.stderr.take()));
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    let mut in_time = true;
    while waitid(WaitId::Pid(pid), options)?.is_none() {
        if Instant::now() >= deadline {
            in_time = false;
            break;
        }
        std::thread::sleep(POLL_INTERVAL);
    }
    kill_session(pid)?;
    let status = child.wait()?;
    let stdout = readers.0.join().map_err(|_| io::Error::other("the reader of standard output panicked"))??;
    let stderr = readers.1.join().map_err(|_| io::Error::other("the reader of standard error panicked"))??;
    let end = match (in_time, status.code(), status.signal()) {
        (false, ..) => End::TimedOut,
        (true, Some(code), _) => End::Exited(code),
        (true, None, signal) => End::Signaled(signal.unwrap_or_default()),
    };
    Ok(Outcome { stdout, end, stderr })
}

fn background(from: Option<impl Read + Send + 'static>) -> std::thread::JoinHandle<io::Result<Vec<u8>>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(from) = from {
            from.take(STDOUT_BYTES_MAX).read_to_end(&mut bytes)?;
        }
        Ok(bytes)
    })
}

/// Kills whoever is left of a case: its session is the process we started and every child of it that did not leave, and
/// those that made a session of their own still run the same program.
fn kill_session(leader: Pid) -> io::Result<()> {
    let program = fs::read_link(format!("/proc/{}/exe", leader.as_raw_nonzero())).ok();
    for entry in fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { continue };
        // pid (name) state ppid pgrp session
        let session = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(3)?.parse::<i32>().ok());
        let same = program.is_some() && fs::read_link(format!("/proc/{pid}/exe")).ok() == program;
        if (session == Some(leader.as_raw_nonzero().get()) || same)
            && let Some(pid) = Pid::from_raw(pid)
        {
            // It may have ended meanwhile.
            let _ = kill_process(pid, Signal::KILL);
        }
    }
    Ok(())
}
