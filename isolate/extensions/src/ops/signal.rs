//! `process.on('SIGINT')`: signals the process catches.

use crate::errno::SystemError;
use crate::guest::Guest;
use deno_core::{OpState, Resource, ResourceId, op2};
use deno_error::JsErrorBox;
use serde::Deserialize;
use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use tokio::sync::Notify;
use warren_kernel::Errno;
use warren_kernel::signal::Signal;

/// A signal as scripts name it: `SIGTERM`, or its number.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Named {
    /// By name.
    Name(String),
    /// By number.
    Number(i32),
}

impl Named {
    /// Which it is; number 0 is none.
    ///
    /// # Errors
    /// `EINVAL` when there is no such signal.
    pub fn signal(&self) -> Result<Option<Signal>, Errno> {
        match self {
            Named::Name(name) => by_name(name).map(Some).ok_or(Errno::EINVAL),
            Named::Number(0) => Ok(None),
            Named::Number(number) => Signal::new(u32::try_from(*number).map_err(|_| Errno::EINVAL)?).map(Some),
        }
    }
}

/// `SIGINT`, and names that are another's.
fn by_name(name: &str) -> Option<Signal> {
    let name = name.strip_prefix("SIG")?;
    let name = match name {
        "IOT" => "ABRT",
        "POLL" => "IO",
        "UNUSED" => "SYS",
        other => other,
    };
    let mut all = (1..=Signal::COUNT as u32).filter_map(|number| Signal::new(number).ok());
    all.find(|signal| signal.name() == name)
}

/// One listening for a signal, which ends with the resource.
struct Listener {
    guest: Guest,
    signal: Signal,
    /// Arrivals it was told of.
    seen: Cell<u64>,
    closed: Cell<bool>,
    closing: Notify,
}

impl Resource for Listener {
    fn name(&self) -> Cow<'_, str> {
        "signal".into()
    }

    fn close(self: Rc<Self>) {
        self.end();
    }
}

impl Listener {
    fn end(&self) {
        if !self.closed.replace(true) {
            self.guest.unlisten(self.signal);
            self.closing.notify_waiters();
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.end();
    }
}

/// Begins to catch a signal.
#[op2(fast)]
#[smi]
pub fn op_signal_bind(state: &mut OpState, #[string] name: &str) -> Result<ResourceId, SystemError> {
    let guest = state.borrow::<Guest>().clone();
    let failed = SystemError::of("uv_signal_start");
    let signal = by_name(name).ok_or(Errno::EINVAL).map_err(&failed)?;
    let seen = Cell::new(guest.listen(signal).map_err(&failed)?);
    let listener = Listener { guest, signal, seen, closed: Cell::new(false), closing: Notify::new() };
    Ok(state.resource_table.add(listener))
}

/// Waits for the next of them; true when it is caught no more.
#[op2]
pub async fn op_signal_poll(state: Rc<RefCell<OpState>>, #[smi] id: ResourceId) -> Result<bool, JsErrorBox> {
    let listener = state.borrow().resource_table.get::<Listener>(id).map_err(JsErrorBox::from_err)?;
    if listener.closed.get() {
        return Ok(true);
    }
    tokio::select! {
        seen = listener.guest.heard(listener.signal, listener.seen.get()) => {
            listener.seen.set(seen);
            Ok(false)
        }
        () = listener.closing.notified() => Ok(true),
    }
}

/// Catches it no more, for this listener.
#[op2(fast)]
pub fn op_signal_unbind(state: &mut OpState, #[smi] id: ResourceId) -> Result<(), JsErrorBox> {
    let listener = state.resource_table.take::<Listener>(id).map_err(JsErrorBox::from_err)?;
    listener.end();
    Ok(())
}
