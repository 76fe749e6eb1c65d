//! A terminal of a session that is awake: its screen, its latest bytes, its command, and the task that reads the command's
//! output for them.

use super::screen::{Screen, bounded};
use super::{Kept, LIVES_MAX, Life, RECENT_MAX, REPLAYED, Shot, TerminalInfo};
use crate::awake::{Awake, Pass};
use crate::command::{ExecRequest, Stdin, Words};
use crate::error::SessionError;
use crate::event::{End, Stream, What};
use crate::exec::{Capture, Exec, visit_kept};
use crate::id::TerminalName;
use crate::scribe::{Record, Urgency};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;
use warren_kernel::CallError;
use warren_kernel::id::Pid;
use warren_kernel::pty::WindowSize;
use warren_kernel::signal::Signal;
use warren_kernel::vfs::FileKind;
use warren_kernel::vfs::open::At;

/// Bytes of output read at once.
const PART: usize = 64 * 1024;
/// How often a change of directory is kept, at most.
const KEEP_EVERY: Duration = Duration::from_millis(100);
/// How long a program that asked its terminal something has to take the answer.
const ANSWERED_WITHIN: Duration = Duration::from_millis(100);
/// How long the programs of a terminal that is closed have between SIGHUP and SIGKILL.
const HANG_UP: Duration = Duration::from_secs(2);
/// What a shell that knows it runs before each prompt: it says where it is.
const SAYS_WHERE: &str = r#"printf '\033]7;file://%s%s\007' "$HOSTNAME" "$PWD""#;

/// A terminal.
#[derive(Debug)]
pub(crate) struct Terminal {
    pub(super) name: TerminalName,
    pub(super) viewers: Arc<Semaphore>,
    /// Something is to be seen.
    pub(super) changed: Notify,
    state: Mutex<State>,
    /// Held by who replays or starts.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) kept: Kept,
    /// `None` until somebody looks.
    pub(super) screen: Option<Screen>,
    pub(super) recent: VecDeque<u8>,
    /// Bytes of its stream so far; known once there is a screen.
    pub(super) end: u64,
    pub(super) exec: Option<Arc<Exec>>,
    /// How its last command ended; `None` while one runs, and when that was before the session woke.
    pub(super) over: Option<End>,
    pub(super) closed: bool,
}

impl Terminal {
    pub(super) fn new(name: TerminalName, kept: Kept) -> Arc<Terminal> {
        let end = kept.lives.last().map_or(0, |life| life.base);
        let state = State { kept, screen: None, recent: VecDeque::new(), end, exec: None, over: None, closed: false };
        Arc::new(Terminal {
            name,
            viewers: Arc::new(Semaphore::new(super::VIEWERS_MAX)),
            changed: Notify::new(),
            state: Mutex::new(state),
            turn: tokio::sync::Mutex::new(()),
        })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn info(&self) -> TerminalInfo {
        let state = self.lock();
        TerminalInfo {
            name: self.name.clone(),
            kept: state.kept.clone(),
            running: state.exec.is_some(),
            viewers: super::VIEWERS_MAX - self.viewers.available_permits(),
        }
    }

    /// What it shows.
    pub(super) fn shot(&self) -> Shot {
        let mut state = self.lock();
        let offset = state.end;
        let Some(screen) = &mut state.screen else {
            return Shot { lines: Vec::new(), column: 0, row: 0, cursor: false, offset };
        };
        let (column, row, cursor) = screen.cursor();
        Shot { lines: screen.text(), column, row, cursor, offset }
    }

    /// The command that runs on it.
    pub(super) fn exec(&self) -> Option<Arc<Exec>> {
        self.lock().exec.clone()
    }

    /// Makes its screen, from what is kept of its output.
    pub(super) async fn look(&self, pass: &Pass) -> Result<(), SessionError> {
        let _turn = self.turn.lock().await;
        self.replay(pass).await
    }

    /// Starts its command, unless it runs. `why` is told if it is not the first.
    pub(super) async fn start(self: &Arc<Self>, pass: &Pass) -> Result<(), SessionError> {
        let _turn = self.turn.lock().await;
        if self.lock().exec.is_some() {
            return Ok(());
        }
        self.replay(pass).await?;
        let request = self.request(pass).await;
        let size = request.terminal;
        let before = pass.scribe.last();
        let (started, _) = pass.start(pass, request, Capture::No).await?;
        let Some(exec) = pass.execs.get(started.exec) else { return Err(SessionError::Failed(pass.id)) };
        let base = {
            let mut state = self.lock();
            let said = match state.kept.lives.is_empty() {
                true => String::new(),
                false => state.notice(),
            };
            state.pass(said.as_bytes());
            let base = state.end;
            let life = Life { exec: started.exec, base, said };
            if state.kept.lives.is_empty() {
                state.kept.after = before;
            }
            state.kept.lives.push(life);
            if state.kept.lives.len() > LIVES_MAX {
                state.kept.lives.remove(0);
            }
            (state.exec, state.over) = (Some(exec.clone()), None);
            base
        };
        self.changed.notify_waiters();
        // It may have been resized meanwhile.
        let now = self.lock().kept.size();
        if size != Some(now)
            && let Some(terminal) = exec.terminal()
        {
            let _ = terminal.resize(now);
        }
        pass.terminals.feeding(1);
        let (awake, terminal) = (Arc::clone(pass), self.clone());
        pass.own(async move { terminal.feed(&awake, &exec, base).await });
        self.keep(pass, Urgency::Call).await
    }

    /// It has this size now, for everybody.
    pub(super) async fn resize(&self, pass: &Pass, size: WindowSize) -> Result<(), SessionError> {
        let size = bounded(size);
        let exec = {
            let mut state = self.lock();
            if state.kept.size() == size {
                return Ok(());
            }
            (state.kept.rows, state.kept.columns) = (size.rows, size.columns);
            if let Some(screen) = &mut state.screen {
                screen.resize(size);
            }
            state.exec.clone()
        };
        if let Some(terminal) = exec.and_then(|exec| exec.terminal()) {
            let _ = terminal.resize(size);
        }
        self.changed.notify_waiters();
        self.keep(pass, Urgency::Background).await
    }

    /// Hangs up: its programs are told, and killed if they stay.
    pub(super) fn close(&self, awake: &Arc<Awake>) {
        let exec = {
            let mut state = self.lock();
            state.closed = true;
            state.exec.clone()
        };
        self.changed.notify_waiters();
        let Some((exec, pid)) = exec.and_then(|exec| exec.running_pid().map(|pid| (exec, pid))) else { return };
        awake.session.with(|kernel| {
            let sid = pid.as_session();
            let own: Vec<Pid> = kernel.processes().filter(|it| it.session == sid).map(|it| it.pid).collect();
            for pid in own {
                kernel.signal_process(pid, Signal::HUP);
                kernel.signal_process(pid, Signal::CONT);
            }
        });
        let later = awake.clone();
        awake.own(async move {
            if tokio::time::timeout(HANG_UP, exec.wait()).await.is_err() && exec.running_pid() == Some(pid) {
                later.kill_posix_session(pid);
            }
        });
    }

    /// Writes down what is kept of it.
    pub(super) async fn keep(&self, awake: &Awake, urgency: Urgency) -> Result<(), SessionError> {
        let kept = {
            let state = self.lock();
            if state.closed {
                return Ok(());
            }
            state.kept.clone()
        };
        let events = vec![What::Terminal { terminal: self.name.clone(), kept: Some(Box::new(kept)) }];
        // With its files: a directory that is kept is there again.
        let ticket = awake.scribe.record(Record { events, files: true, ..Record::default() }, urgency)?;
        match urgency {
            Urgency::Call => awake.scribe.wait(&ticket).await,
            _ => Ok(()),
        }
    }

    async fn replay(&self, pass: &Pass) -> Result<(), SessionError> {
        let kept = {
            let state = self.lock();
            if state.screen.is_some() {
                return Ok(());
            }
            state.kept.clone()
        };
        let node = pass.node.upgrade().ok_or(SessionError::ShuttingDown)?;
        let mut state = State {
            screen: Some(Screen::new(kept.size())),
            end: kept.lives.first().map_or(0, |life| life.base - life.said.len() as u64),
            kept,
            recent: VecDeque::new(),
            exec: None,
            over: None,
            closed: false,
        };
        if !state.kept.lives.is_empty() {
            let (after, last) = (state.kept.after, pass.scribe.last());
            visit_kept(&node, pass, after, last, |event| {
                state.replay(&event.what);
                true
            })
            .await?;
            state.reach(usize::MAX);
        }
        let mut now = self.lock();
        if now.screen.is_none() {
            let State { mut screen, recent, end, .. } = state;
            if let Some(screen) = &mut screen {
                screen.resize(now.kept.size());
            }
            (now.screen, now.recent, now.end) = (screen, recent, end);
        }
        Ok(())
    }

    async fn request(&self, awake: &Awake) -> ExecRequest {
        let kept = self.lock().kept.clone();
        let mut environment = kept.environment.clone();
        environment.entry("PROMPT_COMMAND".to_owned()).or_insert_with(|| SAYS_WHERE.to_owned());
        let command = match kept.command.clone() {
            Some(command) => command,
            None if is(awake, "/usr/bin/bash", FileKind::Regular).await => Words::Argv(vec!["bash".to_owned()]),
            None => Words::Argv(vec!["sh".to_owned()]),
        };
        // A directory that is gone is no reason to have no shell, unless it is where the first was to begin.
        let cwd = match kept.cwd.clone() {
            Some(cwd) if kept.lives.is_empty() || is(awake, &cwd, FileKind::Directory).await => Some(cwd),
            _ => None,
        };
        let terminal = Some(kept.size());
        ExecRequest { command, environment, cwd, stdin: Stdin::Open, terminal, timeout: None, key: None, trace: None }
    }

    /// Reads what its command writes, until its end.
    async fn feed(self: Arc<Self>, awake: &Arc<Awake>, exec: &Arc<Exec>, base: u64) {
        let over = self.read(awake, exec, base).await;
        {
            let mut state = self.lock();
            (state.exec, state.over) = (None, Some(over));
        }
        self.changed.notify_waiters();
        let _ = self.keep(awake, Urgency::Background).await;
        awake.terminals.feeding(-1);
    }

    async fn read(&self, awake: &Arc<Awake>, exec: &Arc<Exec>, base: u64) -> End {
        let Some(node) = awake.node.upgrade() else { return End::Interrupted };
        // When what changed is to be kept: at once, but so often and no more.
        let (mut offset, mut due, mut kept) = (0, None::<Instant>, None::<Instant>);
        loop {
            if due.is_some_and(|due| due <= Instant::now()) {
                (due, kept) = (None, Some(Instant::now()));
                if self.keep(awake, Urgency::Background).await.is_err() {
                    return End::Interrupted;
                }
            }
            let output = awake.output(&node, exec, (Stream::Stdout, offset), PART, true);
            let output = match due {
                None => output.await,
                Some(due) => match tokio::time::timeout_at(due, output).await {
                    Ok(output) => output,
                    Err(_) => continue,
                },
            };
            let Ok(output) = output else { return End::Interrupted };
            offset = output.offset + output.bytes.len() as u64;
            let (news, answers) = self.take(exec, base, output.offset, &output.bytes);
            if news {
                due.get_or_insert(kept.map_or_else(Instant::now, |kept| kept + KEEP_EVERY));
            }
            if !answers.is_empty() {
                // A program that asks and does not read has no answer.
                let _ = tokio::time::timeout(ANSWERED_WITHIN, exec.write(&answers)).await;
            }
            if output.end {
                return exec.wait().await.ok().and_then(|info| info.ended).map_or(End::Interrupted, |(end, _)| end);
            }
        }
    }

    /// Shows output; whether something changed that is to be kept, and the answers to what it asked.
    fn take(&self, exec: &Exec, base: u64, offset: u64, bytes: &[u8]) -> (bool, Vec<u8>) {
        let mut state = self.lock();
        // What the log lost is not shown.
        state.reach_offset(base + offset);
        let answers = state.show(bytes);
        let mut changed = false;
        let directory = state.screen.as_ref().and_then(|screen| screen.directory());
        if let Some(directory) = directory.filter(|directory| state.kept.cwd.as_deref() != Some(*directory)) {
            state.kept.cwd = Some(directory.to_owned());
            changed = true;
        }
        let end = offset + bytes.len() as u64;
        if end > 2 * REPLAYED {
            let after = exec.mark_before(Stream::Stdout, end - REPLAYED);
            if after > state.kept.after {
                state.kept.after = after;
                let lives = state.kept.lives.len();
                state.kept.lives.drain(..lives - 1);
                changed = true;
            }
        }
        drop(state);
        self.changed.notify_waiters();
        (changed, answers)
    }
}

impl State {
    /// Shows bytes of its stream; the answers to what they ask.
    fn show(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        let answers = self.screen.as_mut().map(|screen| screen.feed(&mut bytes)).unwrap_or_default();
        self.pass(&bytes);
        answers
    }

    /// Passes bytes on that the screen has shown.
    fn pass(&mut self, bytes: &[u8]) {
        self.end += bytes.len() as u64;
        self.recent.extend(&bytes[bytes.len().saturating_sub(RECENT_MAX)..]);
        let more = self.recent.len().saturating_sub(RECENT_MAX);
        self.recent.drain(..more);
    }

    /// The stream goes on here, whatever was before.
    fn reach_offset(&mut self, offset: u64) {
        if offset > self.end {
            self.end = offset;
            self.recent.clear();
        }
    }

    /// The first offset of the latest bytes.
    pub(super) fn begin(&self) -> u64 {
        self.end - self.recent.len() as u64
    }

    /// Shows output of one of its lives again.
    fn replay(&mut self, what: &What) {
        let What::Output { exec, stream: Stream::Stdout, offset, bytes } = what else { return };
        let Some(index) = self.kept.lives.iter().position(|life| life.exec == *exec) else { return };
        self.reach(index);
        let at = self.kept.lives[index].base + offset;
        if at >= self.end {
            self.reach_offset(at);
            self.show(bytes);
        }
    }

    /// Shows what was said before the lives up to this one, if it has not been shown.
    fn reach(&mut self, index: usize) {
        let lives = self.kept.lives.iter().take(index.saturating_add(1)).cloned();
        for life in lives.collect::<Vec<_>>() {
            if life.base > self.end || (life.base == 0 && self.end == 0) {
                self.reach_offset(life.base - life.said.len() as u64);
                self.show(life.said.as_bytes());
            }
        }
    }

    /// What is said before the next life.
    fn notice(&mut self) -> String {
        let how = match &self.over {
            Some(End::Status(status)) => format!("the last one ended with status {}", status.shell_code()),
            Some(End::NotStarted(errno)) => format!("the last one could not be started ({errno})"),
            Some(End::TimedOut | End::Interrupted) | None => "the last one was lost when its session rested".to_owned(),
        };
        let words = format!("a new shell; {how}");
        self.screen.as_mut().map_or_else(String::new, |screen| screen.notice(&words))
    }
}

async fn is(awake: &Awake, path: &str, kind: FileKind) -> bool {
    let found = awake.session.call(Pid::INIT, |kernel, call| kernel.stat(call, At::Root, path.as_bytes(), true));
    match found.await {
        Ok(stat) => stat.kind == kind,
        Err(CallError::Failed(_) | CallError::Doomed(_) | CallError::Interrupted { .. }) => false,
    }
}
