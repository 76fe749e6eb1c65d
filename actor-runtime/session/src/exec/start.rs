//! The start of a command: what is asked is checked, its key looked up, its process launched, its start written down.

use super::run::{Ends, attend};
use super::{Exec, GIVEN_MAX, Given, Input, Waiter};
use crate::awake::{Awake, Pass};
use crate::command::{ExecRequest, ExecStarted, Stdin, Words};
use crate::durability::KeyedCommand;
use crate::error::SessionError;
use crate::event::{End, What};
use crate::id::{CommandKey, ExecId};
use crate::metrics;
use crate::scribe::{Record, Urgency};
use crate::spec::ENVIRONMENT_BYTES_MAX;
use crate::template::{Environment, add_secrets, check_entry, check_path, permit_entry, refuse};
use futures_util::FutureExt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use tracing::field::Empty;
use tracing::{Instrument, debug_span};
use warren_kernel::CallError;
use warren_kernel::id::Pid;
use warren_wasi_posix::node::{Command, Stdio};

/// Words of a command, at most.
const WORDS_MAX: usize = 4096;
/// Bytes of a command's words, at most.
const WORD_BYTES_MAX: usize = 256 * 1024;
/// Bytes of standard input given with a command, at most.
const STDIN_MAX: usize = GIVEN_MAX;
/// Bytes of a command's words in its event.
const SHOWN_BYTES: usize = 4096;

/// Whether output is kept for someone who waits for the end.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Capture {
    /// Nobody waits: the start is acknowledged, output is read from the log.
    No,
    /// So many bytes of each stream; the end is acknowledged, and the start with it.
    Up(usize),
}

/// What there is of a command that was asked for.
pub(crate) enum Started {
    /// It is this request's own.
    Now(Waiter),
    /// It was started before with the same key, since the session woke.
    Before(Arc<Exec>),
    /// It was started before with the same key, and is known by that alone.
    Past,
}

impl Awake {
    /// Starts a command, or finds the one that was started with its key.
    ///
    /// # Errors
    /// `Invalid`, `KeyReused`, `TooManyExecs`, and why nothing is acknowledged.
    pub(crate) async fn start(
        self: &Arc<Self>,
        _pass: &Pass,
        request: ExecRequest,
        capture: Capture,
    ) -> Result<(ExecStarted, Started), SessionError> {
        let shown = check(&request)?;
        let command = self.command(&request)?;
        let max = match capture {
            Capture::No => None,
            Capture::Up(max) => Some(max),
        };
        let now = self.session.with(|kernel| kernel.now());
        let make = |id| Exec::new(id, shown, now, max);
        self.execs.has_room(self.id)?;
        let given = match &request.stdin {
            Stdin::Bytes(bytes) => Some(self.execs.give(self.id, bytes.len())?),
            Stdin::Null | Stdin::Open => None,
        };
        let (exec, key) = match &request.key {
            None => {
                let exec = make(self.scribe.next_exec());
                self.execs.add(self.id, exec.clone())?;
                (exec, None)
            }
            Some(key) => {
                let add = |id| {
                    let exec = make(id);
                    self.execs.add(self.id, exec.clone()).map(|()| exec)
                };
                match self.scribe.keyed(key, hash(&request), add) {
                    Ok((keyed, exec)) => (exec?, Some((key.clone(), keyed))),
                    Err(known) => return self.replay(&request, known).await,
                }
            }
        };
        // From here on: whoever asked may go away at any time.
        let waiter = Waiter(exec.clone());
        let started = self.launch(&exec, key, command, (request, given), capture).await?;
        Ok((started, Started::Now(waiter)))
    }

    /// The command that was started with a key before.
    async fn replay(
        self: &Arc<Self>,
        request: &ExecRequest,
        known: KeyedCommand,
    ) -> Result<(ExecStarted, Started), SessionError> {
        if known.request != hash(request) {
            return Err(SessionError::KeyReused);
        }
        let exec = self.execs.get(known.exec);
        let position = match &exec {
            Some(exec) => exec.position().await?,
            None => crate::position::Position { seq: known.after.seq + 1, ..known.after },
        };
        Ok((ExecStarted { exec: known.exec, position, replayed: true }, exec.map_or(Started::Past, Started::Before)))
    }

    async fn launch(
        self: &Arc<Self>,
        exec: &Arc<Exec>,
        key: Option<(CommandKey, KeyedCommand)>,
        command: Command,
        (request, given): (ExecRequest, Option<Given>),
        capture: Capture,
    ) -> Result<ExecStarted, SessionError> {
        let guard = Starting { awake: self, exec };
        if let Some(key) = &key {
            // Before it runs: whatever happens now, it is never silently run again.
            let record = Record { keys: vec![key.clone()], ..Record::default() };
            let ticket = self.scribe.record(record, Urgency::Key)?;
            self.scribe.wait(&ticket).await?;
        }
        let launched = match request.terminal {
            Some(size) => {
                let launched = command.launch_on_terminal(&self.session, size);
                launched.instrument(debug_span!("spawn_process")).await.map(Ends::of_terminal)
            }
            None => {
                let launched = command.launch(&self.session);
                launched.instrument(debug_span!("spawn_process")).await.map(Ends::of_pipes)
            }
        };
        let shown = exec.command.clone();
        let ends = match launched {
            Ok(ends) => ends,
            Err(error) => return self.not_started(guard, key, shown, error).await,
        };
        let pid = ends.pid;
        exec.lock().pid = Some(pid);
        let feed = Self::give_input(exec, &ends, request.stdin).zip(given);
        let urgency = if let Capture::Up(_) = capture { Urgency::Held } else { Urgency::Call };
        let events = vec![What::Started { exec: exec.id, pid, command: shown }];
        let started = self.scribe.record(Record { events, ..Record::default() }, urgency);
        let ticket = started.inspect_err(|_| self.kill_posix_session(pid))?;
        let runner = attend(self.clone(), exec.clone(), ends, key, request.timeout, feed);
        let span = debug_span!("run_process", exec = exec.id.0, pid = pid.0, end = Empty, cpu_us = Empty);
        self.own(runner.instrument(span));
        std::mem::forget(guard);
        // Whoever waits for the end is told of both at once.
        if let Urgency::Call = urgency {
            self.scribe.wait(&ticket).await?;
        }
        exec.lock().position = Some(ticket.last);
        exec.changed.notify_waiters();
        Ok(ExecStarted { exec: exec.id, position: ticket.last, replayed: false })
    }

    /// A command that never began has a start and an end all the same, with the words that were tried.
    async fn not_started(
        self: &Arc<Self>,
        guard: Starting<'_>,
        key: Option<(CommandKey, KeyedCommand)>,
        command: Vec<String>,
        error: CallError,
    ) -> Result<ExecStarted, SessionError> {
        let exec = guard.exec;
        let errno = match error {
            CallError::Failed(errno) => errno,
            CallError::Doomed(_) | CallError::Interrupted { .. } => warren_kernel::Errno::EIO,
        };
        let end = End::NotStarted(errno.name().to_owned());
        let keys =
            key.into_iter().map(|(key, keyed)| (key, KeyedCommand { end: Some(end.clone()), ..keyed })).collect();
        let events = vec![
            What::Started { exec: exec.id, pid: Pid(0), command },
            What::Exited { exec: exec.id, end: end.clone() },
        ];
        let ticket = self.scribe.record(Record { events, keys, files: true }, Urgency::Call)?;
        self.scribe.wait(&ticket).await?;
        let position = crate::position::Position { seq: ticket.last.seq - 1, ..ticket.last };
        {
            let mut state = exec.lock();
            state.position = Some(position);
            state.drained = true;
        }
        ::metrics::counter!(metrics::ENDED, "end" => "not_started").increment(1);
        exec.settle(Ok((end, ticket.last)));
        // Its place in the table is given back, as of one that did not start.
        drop(guard);
        Ok(ExecStarted { exec: exec.id, position, replayed: false })
    }

    /// Runs a task of this session. One that panics takes the session's actor with it.
    pub(crate) fn own(self: &Arc<Self>, task: impl Future<Output = ()> + Send + 'static) {
        let awake = Arc::downgrade(self);
        let Some(node) = self.node.upgrade() else { return };
        node.runtime.spawn(async move {
            if AssertUnwindSafe(task).catch_unwind().await.is_err()
                && let Some(awake) = awake.upgrade()
            {
                awake.scribe.halt(SessionError::Failed(awake.id));
            }
        });
    }

    /// Kills what belongs to a command: its process leads a POSIX session.
    pub(crate) fn kill_posix_session(&self, pid: Pid) {
        self.session.with(|kernel| {
            let sid = pid.as_session();
            let own: Vec<Pid> = kernel.processes().filter(|it| it.session == sid).map(|it| it.pid).collect();
            for pid in own {
                kernel.signal_process(pid, warren_kernel::signal::Signal::KILL);
            }
        });
    }

    /// Keeps what a client may write to later, and gives back what is to be written now.
    fn give_input(exec: &Exec, ends: &Ends, stdin: Stdin) -> Option<(Input, bytes::Bytes)> {
        let input = ends.take_input()?;
        if let Input::Terminal(_) = &input {
            *exec.input() = Some(input.clone());
        }
        match stdin {
            Stdin::Bytes(bytes) => Some((input, bytes)),
            Stdin::Open => {
                *exec.input() = Some(input);
                None
            }
            Stdin::Null => None,
        }
    }

    fn command(&self, request: &ExecRequest) -> Result<Command, SessionError> {
        let choices = self.choices();
        let (spec, template) = (&choices.spec, &choices.template);
        let mut environment = Environment::new(&template.environment);
        if !spec.secrets.is_empty() {
            let node = self.node.upgrade().ok_or(SessionError::ShuttingDown)?;
            add_secrets(&mut environment, spec, &self.tenant, &*node.options.secrets)?;
        }
        for (name, value) in &request.environment {
            permit_entry(template, "environment", name)?;
            environment.set(name, value);
        }
        if request.terminal.is_some() && !environment.has("TERM") {
            environment.set("TERM", "xterm-256color");
        }
        if let Some(trace) = &request.trace {
            let state = trace.state.as_deref().map(|state| ("TRACESTATE", state));
            for (name, value) in [Some(("TRACEPARENT", trace.parent.as_str())), state].into_iter().flatten() {
                if !environment.has(name) {
                    environment.set(name, value);
                }
            }
        }
        let mut command = match &request.command {
            Words::Line(line) => Command::shell(template, line),
            Words::Argv(words) => Command::new(template, words),
        };
        command.environment = environment.strings();
        if let Some(cwd) = &request.cwd {
            command.cwd = cwd.as_bytes().into();
        }
        if let Stdin::Null = request.stdin {
            command.stdio[0] = Stdio::Null;
        }
        Ok(command)
    }
}

/// A command that was given a place in the table and did not start after all: its place is free again.
struct Starting<'a> {
    awake: &'a Awake,
    exec: &'a Exec,
}

impl Drop for Starting<'_> {
    fn drop(&mut self) {
        self.exec.settle(Err(self.awake.scribe.halted().unwrap_or(SessionError::Failed(self.awake.id))));
        self.awake.execs.retire(self.exec.id);
    }
}

/// Checks a request and gives its words as they are shown.
pub(crate) fn check(request: &ExecRequest) -> Result<Vec<String>, SessionError> {
    let words = match &request.command {
        Words::Line(line) => std::slice::from_ref(line),
        Words::Argv(words) => words,
    };
    if words.first().is_none_or(String::is_empty) {
        return refuse("command", "there is nothing to run".to_owned());
    }
    let bytes: usize = words.iter().map(|word| word.len() + 1).sum();
    if words.len() > WORDS_MAX || bytes > WORD_BYTES_MAX {
        return refuse("command", format!("more than {WORDS_MAX} words or {WORD_BYTES_MAX} bytes"));
    }
    if words.iter().any(|word| word.contains('\0')) {
        return refuse("command", "a word has a NUL in it".to_owned());
    }
    let bytes: usize = request.environment.iter().map(|(name, value)| name.len() + value.len() + 2).sum();
    if bytes > ENVIRONMENT_BYTES_MAX {
        return refuse("environment", format!("{bytes} bytes of entries; at most {ENVIRONMENT_BYTES_MAX} are taken"));
    }
    for (name, value) in &request.environment {
        check_entry("environment", name, value)?;
    }
    if let Some(cwd) = &request.cwd {
        check_path("cwd", cwd)?;
    }
    if let Stdin::Bytes(bytes) = &request.stdin
        && bytes.len() > STDIN_MAX
    {
        return refuse("stdin", format!("{} bytes; give more than {STDIN_MAX} piece by piece", bytes.len()));
    }
    Ok(shown(words))
}

/// The words of an event: cut, so that a client's argument cannot fill the log.
fn shown(words: &[String]) -> Vec<String> {
    let mut room = SHOWN_BYTES;
    let mut shown = Vec::new();
    for word in words {
        let mut end = word.len().min(room);
        while !word.is_char_boundary(end) {
            end -= 1;
        }
        shown.push(word[..end].to_owned());
        room -= end;
        if room == 0 || end < word.len() {
            break;
        }
    }
    shown
}

/// What was asked, as a hash: everything that decides what is run, but the key.
fn hash(request: &ExecRequest) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new();
    let mut add = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    match &request.command {
        Words::Line(line) => {
            add(b"line");
            add(line.as_bytes());
        }
        Words::Argv(words) => {
            add(b"argv");
            words.iter().for_each(|word| add(word.as_bytes()));
        }
    }
    add(b"environment");
    for (name, value) in &request.environment {
        add(name.as_bytes());
        add(value.as_bytes());
    }
    add(b"cwd");
    add(request.cwd.as_deref().unwrap_or_default().as_bytes());
    match &request.stdin {
        Stdin::Null => add(b"null"),
        Stdin::Open => add(b"open"),
        Stdin::Bytes(bytes) => {
            add(b"bytes");
            add(bytes);
        }
    }
    add(if request.terminal.is_some() { b"terminal" } else { b"pipes" });
    add(&request.timeout.unwrap_or_default().as_nanos().to_le_bytes());
    let mut short = [0; 16];
    short.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    short
}

/// For a keyed command of an earlier owner.
impl Awake {
    /// The keyed command of this number, if it is not in the table any more.
    pub(crate) fn past_keyed(&self, exec: ExecId) -> Option<KeyedCommand> {
        self.scribe.keyed_by_exec(exec)
    }
}
