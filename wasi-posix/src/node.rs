//! What the sessions of a node share, and launching commands in them from outside.
//!
//! ```text
//! Node { engine, layer, clocks, executor } ──session──▶ Session ──launch──▶ Running { pid, stdin, stdout, stderr }
//! ```
//! The outside holds one end of each of a command's pipes as an open file of the kernel, and reads and writes it by
//! the same calls a process makes: the outside waits, is woken, and finds the end of a stream as a process would.

use crate::engine::{NOBODY, Wasm};
use crate::layer::{HOME, HOSTNAME, PATH, USER, USER_ID};
use crate::system::{SystemHost, TokioDriver};
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::task::JoinError;
use warren_kernel::file::OpenId;
use warren_kernel::id::{Fd, Gid, Lsn, Pid, Uid};
use warren_kernel::limits::Limits;
use warren_kernel::policy::Policy;
use warren_kernel::process::exec::DEFAULT_SEARCH;
use warren_kernel::process::spawn::{Attributes, FileAction, Spawn};
use warren_kernel::process::{ExitStatus, Strings, strings};
use warren_kernel::pty::WindowSize;
use warren_kernel::runtime::Runtime;
use warren_kernel::signal::{Signal, SignalSet};
use warren_kernel::socket::egress::Egress;
use warren_kernel::user::Credentials;
use warren_kernel::vfs::device::Device;
use warren_kernel::vfs::inodes::Inodes;
use warren_kernel::vfs::layer::Layer;
use warren_kernel::vfs::mount::Mounted;
use warren_kernel::{Call, CallError, Errno, Kernel, Session, Template, World};
use warren_share::{SessionShare, Shares, in_turn};

/// What the sessions of a node share. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Node {
    wasm: Wasm,
    host: Arc<SystemHost>,
    template: Template,
    handle: Handle,
    egress: Option<Arc<dyn Egress>>,
    /// Beside the engine's.
    beside: Vec<Beside>,
}

/// Guests of another kind, whose runtime is each session's own.
pub trait Guests: Send + Sync {
    /// The runtime of a session whose guests run on this share.
    fn for_session(&self, share: &Arc<SessionShare>) -> Arc<dyn Runtime>;
}

/// Guests beside the engine's.
#[derive(Clone)]
struct Beside(Arc<dyn Guests>);

impl std::fmt::Debug for Beside {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Beside")
    }
}

impl Node {
    /// A node whose sessions begin with `layer` and this environment beside the usual one.
    pub fn new(
        wasm: Wasm,
        layer: Arc<Layer>,
        environment: impl IntoIterator<Item = (String, String)>,
        handle: Handle,
    ) -> Node {
        let mut variables = vec![
            ("HOME".to_owned(), HOME.to_owned()),
            ("USER".to_owned(), USER.to_owned()),
            ("LOGNAME".to_owned(), USER.to_owned()),
            ("SHELL".to_owned(), "/bin/sh".to_owned()),
            ("PATH".to_owned(), PATH.to_owned()),
            ("LANG".to_owned(), "C.UTF-8".to_owned()),
            ("HOSTNAME".to_owned(), HOSTNAME.to_owned()),
        ];
        for (name, value) in environment {
            if variables.iter().all(|(known, _)| *known != name) {
                variables.push((name, value));
            }
        }
        let template = Template {
            layer,
            policy: Arc::new(Policy::session()),
            limits: Limits::default(),
            user: Credentials { groups: vec![Gid(USER_ID)], ..Credentials::new(Uid(USER_ID), Gid(USER_ID)) },
            environment: strings(variables.iter().map(|(name, value)| format!("{name}={value}"))),
            cwd: HOME.as_bytes().into(),
            hostname: HOSTNAME.into(),
        };
        Node { wasm, host: Arc::new(SystemHost), template, handle, egress: None, beside: Vec::new() }
    }

    /// A node whose sessions run these guests, too.
    pub fn with_guests(mut self, guests: Arc<dyn Guests>) -> Node {
        self.beside.push(Beside(guests));
        self
    }

    /// The same, for sessions that have this way out.
    #[must_use]
    pub fn through(&self, egress: Arc<dyn Egress>) -> Node {
        Node { egress: Some(egress), ..self.clone() }
    }

    /// What a session is made of unless something else is said.
    pub fn template(&self) -> Template {
        self.template.clone()
    }

    /// The shares of the processor that tenants of this node's engine have.
    pub fn shares(&self) -> &Shares {
        self.wasm.shares()
    }

    /// Does work of the host's for a session in a turn of this share, as a process of it would run: it waits while others
    /// are owed more or the quota is used up, and its CPU time is charged. It is not taken off the processor, so it must
    /// not be long. `None` if it was given up before it began, or the executor ends: it is never done then. Once it has
    /// begun it is done to its end, also when nobody waits any more.
    ///
    /// # Errors
    /// It panics.
    pub async fn in_turn<T: Send + 'static>(
        &self,
        share: &Arc<SessionShare>,
        work: impl FnOnce() -> T + Send + 'static,
        given_up: impl Future<Output = ()>,
    ) -> Result<Option<T>, JoinError> {
        in_turn(self.wasm.executor(), share, work, given_up).await
    }

    /// A new session of this template, which is no tenant's.
    pub fn session(&self, template: Template) -> Session {
        self.session_of(&self.shares().session(NOBODY), template)
    }

    /// A new session of this template, whose guests run on this share.
    pub fn session_of(&self, share: &Arc<SessionShare>, template: Template) -> Session {
        self.drive(Kernel::new(self.world(share), template))
    }

    /// A session of this template whose files are these and stand at `lsn`: woken, or a fork of a live one. Its guests
    /// run on this share.
    pub fn resume(
        &self,
        share: &Arc<SessionShare>,
        template: Template,
        files: Inodes,
        lsn: Lsn,
        next_pid: u32,
    ) -> Session {
        self.drive(Kernel::resume(self.world(share), template, files, lsn, next_pid))
    }

    fn world(&self, share: &Arc<SessionShare>) -> World {
        let runtime = Arc::new(self.wasm.for_session(share.clone())) as Arc<dyn Runtime>;
        let runtimes =
            std::iter::once(runtime).chain(self.beside.iter().map(|beside| beside.0.for_session(share))).collect();
        World { host: self.host.clone(), runtimes, egress: self.egress.clone() }
    }

    fn drive(&self, mut kernel: Kernel) -> Session {
        // The base layer has both, and nothing is mounted yet: mounting can only fail for a layer without them.
        let _ = kernel.mount(&mut Call::new(Pid::INIT), b"/proc", Mounted::Proc, true);
        let _ = kernel.mount(&mut Call::new(Pid::INIT), b"/dev/pts", Mounted::Terminals, false);
        Session::new(kernel, Arc::new(TokioDriver::new(self.handle.clone())))
    }
}

/// A command launched on a terminal of its own, whose other end the caller holds.
#[derive(Debug)]
pub struct OnTerminal {
    /// The session.
    pub session: Session,
    /// The process: it leads a POSIX session whose controlling terminal this is.
    pub pid: Pid,
    /// The emulator's end. Dropping it hangs up.
    pub terminal: Terminal,
}

/// The master of a terminal, held outside.
#[derive(Debug)]
pub struct Terminal(PipeEnd);

impl Terminal {
    /// Appends up to `want` bytes for the screen to `to` and returns how many: 0 when no process has the terminal open
    /// any more.
    ///
    /// # Errors
    /// None that a caller could mend.
    pub async fn read(&self, want: usize, to: &mut Vec<u8>) -> Result<usize, Errno> {
        match self.0.read(want, to).await {
            Err(Errno::EIO) => Ok(0),
            read => read,
        }
    }

    /// Types these bytes, waiting for room.
    ///
    /// # Errors
    /// None that a caller could mend.
    pub async fn write_all(&self, bytes: &[u8]) -> Result<(), Errno> {
        self.0.write_all(bytes).await
    }

    /// The window has this size now; the foreground group gets SIGWINCH.
    ///
    /// # Errors
    /// None that a caller could mend.
    pub fn resize(&self, size: WindowSize) -> Result<(), Errno> {
        self.0.session.with(|kernel| kernel.resize_terminal(self.0.open, size))
    }
}

/// Where a command's standard descriptor leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stdio {
    /// /dev/null.
    Null,
    /// A pipe whose other end the caller gets.
    Pipe,
}

/// A command to launch from outside.
#[derive(Clone, Debug)]
pub struct Command {
    /// The image: a path, or a name to look for in the environment's PATH.
    pub program: Arc<[u8]>,
    /// Arguments, the first being the name.
    pub arguments: Strings,
    /// The whole environment.
    pub environment: Strings,
    /// Where it begins.
    pub cwd: Arc<[u8]>,
    /// Standard input, output and error.
    pub stdio: [Stdio; 3],
}

/// A launched command, with the caller's ends of its pipes.
#[derive(Debug)]
pub struct Running {
    /// The session.
    pub session: Session,
    /// The process.
    pub pid: Pid,
    /// Writes to its standard input; dropping it is the end of the input.
    pub stdin: Option<PipeEnd>,
    /// Reads its standard output.
    pub stdout: Option<PipeEnd>,
    /// Reads its standard error.
    pub stderr: Option<PipeEnd>,
}

/// One end of a pipe, held outside.
#[derive(Debug)]
pub struct PipeEnd {
    session: Session,
    open: OpenId,
}

impl Command {
    /// `arguments` with the template's environment and directory, all three descriptors piped.
    pub fn new<T: AsRef<[u8]>>(template: &Template, arguments: impl IntoIterator<Item = T>) -> Command {
        let arguments = strings(arguments);
        Command {
            program: arguments.first().cloned().unwrap_or_else(|| Arc::from(&b""[..])),
            arguments,
            environment: template.environment.clone(),
            cwd: template.cwd.clone(),
            stdio: [Stdio::Pipe; 3],
        }
    }

    /// A line for the session's shell.
    pub fn shell(template: &Template, line: &str) -> Command {
        Command { program: Arc::from(&b"/bin/sh"[..]), ..Command::new(template, ["sh", "-c", line]) }
    }

    /// Launches it in `session` on a new terminal of this size, whatever `stdio` says. An interactive shell (`sh` or
    /// `bash` without `-c`) is spared the keyboard's signals, which are for what it runs: the packaged one cannot catch
    /// them.
    ///
    /// # Errors
    /// As [`Kernel::launch`]; `ENOSPC` at the limit `ptys`.
    pub async fn launch_on_terminal(&self, session: &Session, size: WindowSize) -> Result<OnTerminal, CallError> {
        let (master, slave) = session.with(|kernel| kernel.open_terminal(size))?;
        let end = |open| PipeEnd { session: session.clone(), open };
        let (terminal, slave) = (Terminal(end(master)), end(slave));
        let actions = vec![
            FileAction::InstallTerminal { fd: Fd::STDIN, open: slave.open },
            FileAction::Duplicate { from: Fd::STDIN, to: Fd::STDOUT },
            FileAction::Duplicate { from: Fd::STDIN, to: Fd::STDERR },
        ];
        let mut shielded_signals = SignalSet::default();
        if self.is_interactive_shell() {
            shielded_signals =
                [Signal::INT, Signal::QUIT, Signal::TSTP].into_iter().fold(shielded_signals, SignalSet::with);
        }
        let attributes = Attributes { shielded_signals, ..Attributes::default() };
        let pid = self.spawn(session, actions, attributes).await?;
        Ok(OnTerminal { session: session.clone(), pid, terminal })
    }

    /// Launches it in `session`.
    ///
    /// # Errors
    /// As [`Kernel::launch`].
    pub async fn launch(&self, session: &Session) -> Result<Running, CallError> {
        let mut ends = Ends { session, theirs: Vec::new(), ours: [None, None, None] };
        for (index, stdio) in self.stdio.iter().enumerate() {
            ends.add(index, *stdio)?;
        }
        let install = |(fd, open): (usize, &OpenId)| FileAction::Install { fd: Fd(fd as u32), open: *open };
        let actions = ends.theirs.iter().enumerate().map(install).collect();
        let pid = self.spawn(session, actions, Attributes::default()).await?;
        let [stdin, stdout, stderr] =
            ends.ours.each_mut().map(|end| end.take().map(|open| PipeEnd { session: session.clone(), open }));
        Ok(Running { session: session.clone(), pid, stdin, stdout, stderr })
    }

    fn is_interactive_shell(&self) -> bool {
        let name = self.program.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        let takes_line = |argument: &Arc<[u8]>| argument.starts_with(b"-") && argument.ends_with(b"c");
        matches!(name, b"sh" | b"bash") && !self.arguments.iter().skip(1).any(takes_line)
    }

    async fn spawn(
        &self,
        session: &Session,
        actions: Vec<FileAction>,
        attributes: Attributes,
    ) -> Result<Pid, CallError> {
        let search = self.environment.iter().find_map(|entry| entry.strip_prefix(b"PATH=")).unwrap_or(DEFAULT_SEARCH);
        let spawn = Spawn {
            command: self.program.clone(),
            search: Some(search.into()),
            arguments: self.arguments.clone(),
            environment: self.environment.clone(),
            cwd: Some(self.cwd.clone()),
            actions,
            attributes,
        };
        session.call(Pid::INIT, |kernel, call| kernel.launch(call, &spawn)).await
    }
}

/// The ends of a command's pipes while it is launched; what is still here when that fails is closed.
struct Ends<'a> {
    session: &'a Session,
    theirs: Vec<OpenId>,
    ours: [Option<OpenId>; 3],
}

impl Ends<'_> {
    fn add(&mut self, index: usize, stdio: Stdio) -> Result<(), Errno> {
        match stdio {
            Stdio::Null => self.theirs.push(self.session.with(|kernel| kernel.open_device(Device::Null))?),
            Stdio::Pipe => {
                let (reader, writer) = self.session.with(|kernel| kernel.open_pipe(Pid::INIT))?;
                let (theirs, ours) = if index == 0 { (reader, writer) } else { (writer, reader) };
                self.theirs.push(theirs);
                self.ours[index] = Some(ours);
            }
        }
        Ok(())
    }
}

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.session.with(|kernel| {
            for open in self.theirs.drain(..).chain(self.ours.iter_mut().filter_map(Option::take)) {
                kernel.close_open(open);
            }
        });
    }
}

impl Running {
    /// Waits for it to end and collects it.
    ///
    /// # Errors
    /// `ECHILD` when someone else collected it.
    pub async fn wait(&self) -> Result<(ExitStatus, std::time::Duration), Errno> {
        self.session.wait(self.pid).await
    }

    /// Closes its input and waits for output, error output and end together. For commands whose output fits memory.
    ///
    /// # Errors
    /// As [`Running::wait`].
    pub async fn finish(mut self) -> Result<Finished, Errno> {
        drop(self.stdin.take());
        let (stdout, stderr) = tokio::join!(read_all(self.stdout.take()), read_all(self.stderr.take()));
        let (status, cpu) = self.wait().await?;
        Ok(Finished { status, cpu, stdout, stderr })
    }
}

/// A command that has ended.
#[derive(Clone, Debug)]
pub struct Finished {
    /// How.
    pub status: ExitStatus,
    /// CPU time it used.
    pub cpu: std::time::Duration,
    /// All it wrote to standard output.
    pub stdout: Vec<u8>,
    /// All it wrote to standard error.
    pub stderr: Vec<u8>,
}

async fn read_all(end: Option<PipeEnd>) -> Vec<u8> {
    let mut all = Vec::new();
    if let Some(end) = end {
        while let Ok(1..) = end.read(64 * 1024, &mut all).await {}
    }
    all
}

impl PipeEnd {
    /// Appends up to `want` bytes to `to` and returns how many: 0 at the end.
    ///
    /// # Errors
    /// `EBADF` on a write end.
    pub async fn read(&self, want: usize, to: &mut Vec<u8>) -> Result<usize, Errno> {
        let open = self.open;
        let read = self.session.call(Pid::INIT, |kernel, call| {
            kernel.read_open(call, open, None, want, &mut |bytes| to.extend_from_slice(bytes))
        });
        plain(read.await)
    }

    /// Writes all bytes, waiting for room.
    ///
    /// # Errors
    /// `EPIPE` when nobody reads any more.
    pub async fn write_all(&self, bytes: &[u8]) -> Result<(), Errno> {
        let (open, mut rest) = (self.open, bytes);
        while !rest.is_empty() {
            let part = rest;
            let written = self.session.call(Pid::INIT, |kernel, call| kernel.write_open(call, open, None, &[part]));
            rest = &rest[plain(written.await)?..];
        }
        Ok(())
    }
}

impl Drop for PipeEnd {
    fn drop(&mut self) {
        self.session.with(|kernel| kernel.close_open(self.open));
    }
}

/// The outside acts as init, which no signal ends.
fn plain<T>(result: Result<T, CallError>) -> Result<T, Errno> {
    result.map_err(|error| match error {
        CallError::Failed(errno) => errno,
        CallError::Doomed(_) | CallError::Interrupted { .. } => Errno::EIO,
    })
}
