//! `node` in a session.

use crate::harness::Place;
use crate::outcome::Outcome;
use crate::program::Program;
use std::path::Path;
use std::time::Duration;
use warren_kernel::Call;
use warren_kernel::id::{Gid, Pid, Uid};
use warren_kernel::process::{ExitStatus, strings};
use warren_kernel::signal::Signal;
use warren_kernel::user::Credentials;
use warren_kernel::vfs::Mode;
use warren_kernel::vfs::open::At;
use warren_wasi_posix::node::Command;

/// The longest a program may take here: one that takes longer hangs, and is ended.
const LIMIT: Duration = Duration::from_secs(20);

/// Runs a program in a session of its own, whose user has this number, in this folder and with this environment.
pub(crate) fn run(program: &Program, user: u32, folder: &Path, environment: &[(&str, String)]) -> Outcome {
    let folder = folder.to_str().unwrap();
    let place = Place::with(|template| {
        template.user = Credentials { groups: vec![Gid(user)], ..Credentials::new(Uid(user), Gid(user)) };
        template.environment = strings(environment.iter().map(|(name, value)| format!("{name}={value}")));
        template.cwd = folder.as_bytes().into();
    });
    for (name, text) in &program.files {
        let path = format!("{folder}/{name}");
        place.file(&path, text);
        own(&place, user, &path, 0o644);
        let slashes = path.match_indices('/').map(|(at, _)| at);
        slashes.filter(|at| *at >= folder.len()).for_each(|at| own(&place, user, &path[..at], 0o755));
    }
    let words: Vec<&str> = std::iter::once("node").chain(program.words()).collect();
    let command = Command::new(&place.template, words);
    place.within(async {
        let mut running = command.launch(&place.session).await.unwrap();
        if let Some(stdin) = running.stdin.take() {
            let _ = stdin.write_all(program.input.as_bytes()).await;
        }
        let (session, pid) = (running.session.clone(), running.pid);
        let mut finished = std::pin::pin!(running.finish());
        let (hangs, finished) = match tokio::time::timeout(LIMIT, &mut finished).await {
            Ok(finished) => (false, finished.unwrap()),
            Err(_) => {
                session.with(|kernel| kernel.signal_process(pid, Signal::KILL));
                (true, finished.await.unwrap())
            }
        };
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let status = match finished.status {
            _ if hangs => "hangs".to_owned(),
            ExitStatus::Exited(code) => format!("exited {code}"),
            ExitStatus::Signaled(signal) => format!("signal {}", signal.number()),
        };
        Outcome { status, stdout: text(finished.stdout), stderr: text(finished.stderr) }
    })
}

fn own(place: &Place, user: u32, path: &str, mode: u32) {
    place.session.with(|kernel| {
        let (call, path) = (&mut Call::new(Pid::INIT), path.as_bytes());
        kernel.chown(call, At::Root, path, true, Some(Uid(user)), Some(Gid(user))).unwrap();
        kernel.chmod(call, At::Root, path, Mode::new(mode)).unwrap();
    });
}
