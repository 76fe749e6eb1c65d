//! The terminals of a session, and what a client does with them.

use super::live::Terminal;
use super::screen::{COLUMNS_MAX, ROWS_MAX};
use super::{Kept, Shot, TERMINALS_MAX, TerminalInfo, TerminalRequest, View};
use crate::awake::Pass;
use crate::command::ExecRequest;
use crate::error::SessionError;
use crate::event::What;
use crate::exec::check;
use crate::handle::SessionHandle;
use crate::id::TerminalName;
use crate::template::refuse;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use warren_kernel::pty::WindowSize;

/// How long it may take until what the commands of terminals wrote last is shown.
const DRAINED_WITHIN: Duration = Duration::from_secs(2);

/// The terminals of a session that is awake.
#[derive(Debug)]
pub(crate) struct Terminals {
    table: Mutex<BTreeMap<TerminalName, Arc<Terminal>>>,
    /// Tasks that read output.
    feeding: watch::Sender<usize>,
}

impl Terminals {
    /// As they are kept.
    pub(crate) fn new(kept: &BTreeMap<TerminalName, Kept>) -> Terminals {
        let table = kept.iter().map(|(name, kept)| (name.clone(), Terminal::new(name.clone(), kept.clone()))).collect();
        Terminals { table: Mutex::new(table), feeding: watch::channel(0).0 }
    }

    /// So many more tasks read output.
    pub(super) fn feeding(&self, more: isize) {
        self.feeding.send_modify(|count| *count = count.saturating_add_signed(more));
    }

    /// Waits until all output of commands that have ended was shown, and is kept.
    pub(crate) async fn drained(&self) {
        let mut feeding = self.feeding.subscribe();
        let drained = feeding.wait_for(|count| *count == 0);
        let _ = tokio::time::timeout(DRAINED_WITHIN, drained).await;
    }

    /// Those there are, in order of name.
    pub(crate) fn all(&self) -> Vec<TerminalInfo> {
        self.lock().values().map(|terminal| terminal.info()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<TerminalName, Arc<Terminal>>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SessionHandle {
    /// Opens a terminal and starts its command. The answer comes when that is acknowledged.
    ///
    /// # Errors
    /// `Invalid`, `TerminalExists`, `TooManyTerminals`, and those of [`SessionHandle::exec`].
    pub async fn open_terminal(&self, request: TerminalRequest) -> Result<TerminalInfo, SessionError> {
        let pass = self.enter().await?;
        self.watch(&pass);
        let TerminalRequest { name, command, environment, cwd, size } = request;
        if let Some(command) = &command {
            let terminal = Some(size);
            let (environment, cwd) = (environment.clone(), cwd.clone());
            check(&ExecRequest { environment, cwd, terminal, ..ExecRequest::of(command.clone()) })?;
        }
        check_size(size)?;
        let created = pass.session.with(|kernel| kernel.now());
        let terminal = {
            let mut table = pass.terminals.lock();
            let free =
                || (1..).find_map(|number: u32| number.to_string().parse().ok().filter(|it| !table.contains_key(it)));
            let name = name.or_else(free).ok_or(SessionError::Failed(self.id()))?;
            if table.contains_key(&name) {
                return Err(SessionError::TerminalExists(name));
            }
            if table.len() >= TERMINALS_MAX {
                return Err(SessionError::TooManyTerminals { id: self.id(), limit: TERMINALS_MAX });
            }
            let kept = Kept {
                command,
                environment,
                cwd,
                rows: size.rows,
                columns: size.columns,
                created,
                lives: Vec::new(),
                after: pass.scribe.last(),
            };
            table.entry(name.clone()).or_insert(Terminal::new(name, kept)).clone()
        };
        self.whole(async move {
            match terminal.start(&pass).await {
                Ok(()) => Ok(terminal.info()),
                Err(error) => {
                    pass.terminals.lock().remove(&terminal.name);
                    Err(error)
                }
            }
        })
        .await
    }

    /// The terminals there are, in order of name.
    ///
    /// # Errors
    /// Why it cannot be woken.
    pub async fn terminals(&self) -> Result<Vec<TerminalInfo>, SessionError> {
        Ok(self.enter().await?.terminals.all())
    }

    /// A terminal and what it shows now. Nothing is started.
    ///
    /// # Errors
    /// `NoTerminal`.
    pub async fn terminal(&self, name: &TerminalName) -> Result<(TerminalInfo, Shot), SessionError> {
        let (pass, terminal) = self.terminal_entry(name).await?;
        terminal.look(&pass).await?;
        Ok((terminal.info(), terminal.shot()))
    }

    /// Hangs a terminal up: its programs get SIGHUP, and SIGKILL two seconds later. It is gone when this returns.
    ///
    /// # Errors
    /// `NoTerminal`.
    pub async fn close_terminal(&self, name: &TerminalName) -> Result<(), SessionError> {
        let (pass, terminal) = self.terminal_entry(name).await?;
        if pass.terminals.lock().remove(name).is_none() {
            return Err(SessionError::NoTerminal(name.clone()));
        }
        terminal.close(&pass);
        pass.acknowledge(vec![What::Terminal { terminal: name.clone(), kept: None }]).await
    }

    /// Its window has this size now, for everybody who looks at it.
    ///
    /// # Errors
    /// `NoTerminal`.
    pub async fn resize_terminal(&self, name: &TerminalName, size: WindowSize) -> Result<(), SessionError> {
        check_size(size)?;
        let (pass, terminal) = self.terminal_entry(name).await?;
        terminal.resize(&pass, size).await
    }

    /// Types into a terminal, waiting for room.
    ///
    /// # Errors
    /// `NoTerminal`; `NoInput` when its command has ended.
    pub async fn type_into(&self, name: &TerminalName, bytes: Bytes) -> Result<(), SessionError> {
        let (pass, terminal) = self.terminal_entry(name).await?;
        let exec = terminal.exec().ok_or_else(|| SessionError::TerminalOver(name.clone()))?;
        // Waiting for room keeps no turn of the session's life waiting.
        drop(pass);
        exec.write(&bytes).await
    }

    /// Looks at a terminal: from byte `offset` of its stream on if that is still there, else from what it shows now. With
    /// `starts`, its command is started if it does not run.
    ///
    /// # Errors
    /// `NoTerminal`, `Overloaded` when as many look at it as may, and those of [`SessionHandle::exec`].
    pub async fn view_terminal(
        &self,
        name: &TerminalName,
        offset: Option<u64>,
        starts: bool,
    ) -> Result<View, SessionError> {
        let (pass, terminal) = self.terminal_entry(name).await?;
        let place = terminal
            .viewers
            .clone()
            .try_acquire_owned()
            .map_err(|_| SessionError::Overloaded { id: self.id(), retry_after: Duration::from_secs(1) })?;
        match starts {
            true => {
                self.watch(&pass);
                let starting = terminal.clone();
                self.whole(async move { starting.start(&pass).await }).await?;
            }
            false => terminal.look(&pass).await?,
        }
        Ok(View::new(terminal, place, offset))
    }

    async fn terminal_entry(&self, name: &TerminalName) -> Result<(Pass, Arc<Terminal>), SessionError> {
        let pass = self.enter().await?;
        let found = pass.terminals.lock().get(name).cloned();
        let found = found.ok_or_else(|| SessionError::NoTerminal(name.clone()))?;
        Ok((pass, found))
    }
}

/// Checks how large a terminal is to be.
///
/// # Errors
/// `Invalid`, for what has no rows or columns, or more than [`ROWS_MAX`] and [`COLUMNS_MAX`].
pub fn check_size(size: WindowSize) -> Result<(), SessionError> {
    match (1..=ROWS_MAX).contains(&size.rows) && (1..=COLUMNS_MAX).contains(&size.columns) {
        true => Ok(()),
        false => refuse("rows, columns", format!("a terminal has 1 to {ROWS_MAX} rows and 1 to {COLUMNS_MAX} columns")),
    }
}
