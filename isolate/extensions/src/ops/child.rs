//! Children: processes of the kernel's table, made and collected by `node:child_process`.
//!
//! ```text
//! spawn()     ─▶ op_node_spawn_child ─▶ ends of pipes, Kernel::spawn ─▶ its number, our ends' descriptors
//!                op_spawn_wait       ─▶ waitpid(), while the event loop goes on ─▶ 'exit'
//! spawnSync() ─▶ op_spawn_sync       ─▶ the same, with this thread parked: input fed, output read, time and size watched
//! ```
//! A child outlives its parent unless the parent ends it, as Node's do.

mod request;
mod stdio;
mod sync;

use crate::errno::SystemError;
use crate::guest::Guest;
use crate::ops::channel;
use crate::ops::signal::Named;
use crate::sys::Environment;
use deno_core::{OpState, Resource, ResourceId, ToV8, op2};
use deno_error::JsErrorBox;
use request::Request;
use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use stdio::Ends;
use warren_kernel::id::{Fd, Pid};
use warren_kernel::process::ExitStatus;
use warren_kernel::process::group::Target;
use warren_kernel::process::spawn::Spawn;
use warren_kernel::process::wait::{Change, Patience, Watch, Which};
use warren_kernel::{Call, Errno, Halt, Kernel, Step};

pub use sync::op_spawn_sync;

/// A child that was not collected yet.
struct Child {
    guest: Guest,
    pid: Pid,
    /// Somebody waits for it, who collects it.
    awaited: Cell<bool>,
}

impl Resource for Child {
    fn name(&self) -> Cow<'_, str> {
        "child".into()
    }
}

/// A child that was started, and our ends of its pipes.
#[derive(ToV8)]
pub struct Started {
    pub rid: ResourceId,
    pub pid: u32,
    pub stdin_fd: Option<i64>,
    pub stdout_fd: Option<i64>,
    pub stderr_fd: Option<i64>,
    pub ipc_pipe_rid: Option<ResourceId>,
    pub extra_pipe_fds: Vec<Option<i64>>,
}

/// How a child ended.
#[derive(ToV8)]
pub struct Status {
    pub success: bool,
    pub code: i32,
    pub signal: Option<String>,
}

impl From<ExitStatus> for Status {
    fn from(status: ExitStatus) -> Status {
        let signal = match status {
            ExitStatus::Exited(_) => None,
            ExitStatus::Signaled(signal) => Some(signal.to_string()),
        };
        Status { success: status == ExitStatus::Exited(0), code: i32::from(status.shell_code()), signal }
    }
}

/// Starts a child.
#[op2]
pub fn op_node_spawn_child(
    state: &mut OpState,
    #[serde] request: Request,
    #[string] _: &str,
) -> Result<Started, SystemError> {
    let guest = state.borrow::<Guest>().clone();
    let environment = state.borrow::<Environment>().clone();
    let failed = SystemError::of("spawn");
    let stdio = request.stdio().map_err(&failed)?;
    let mut ends = Ends::make(&guest, &stdio).map_err(&failed)?;
    let what = request.spawn(&environment, &ends).map_err(&failed)?;
    let pid = start(&guest, &what).map_err(&failed)?;
    let mut ours = ends.take_ours();
    let number = |fd: &mut Option<Fd>| fd.take().map(|fd| i64::from(fd.0));
    let channel = request.channel().and_then(|at| ours.get_mut(at)?.take());
    let ipc_pipe_rid = channel.map(|fd| channel::open(state, fd, request.is_advanced()));
    let mut numbers = ours.iter_mut().map(number);
    let (stdin_fd, stdout_fd, stderr_fd) =
        (numbers.next().flatten(), numbers.next().flatten(), numbers.next().flatten());
    let extra_pipe_fds = numbers.collect();
    let rid = state.resource_table.add(Child { guest, pid, awaited: Cell::new(false) });
    Ok(Started { rid, pid: pid.0, stdin_fd, stdout_fd, stderr_fd, ipc_pipe_rid, extra_pipe_fds })
}

/// Makes the process. What is neither an image nor says who reads it is a script of the shell's, as execvp() has it.
fn start(guest: &Guest, what: &Spawn) -> Result<Pid, Errno> {
    let spawned = guest.call(|kernel, call| kernel.spawn(call, what));
    if spawned != Err(Errno::ENOEXEC) {
        return spawned;
    }
    let shell: std::sync::Arc<[u8]> = b"/bin/sh"[..].into();
    let words = [shell.clone(), what.command.clone()];
    let arguments = words.into_iter().chain(what.arguments.iter().skip(1).cloned()).collect();
    let by_shell = Spawn { command: shell, arguments, ..what.clone() };
    guest.call(|kernel, call| kernel.spawn(call, &by_shell))
}

/// How a child ended, once: it is collected.
fn collect(kernel: &mut Kernel, call: &Call, pid: Pid) -> Step<ExitStatus> {
    match kernel.waitpid(call, Which::Child(pid), Watch::default(), Patience::Forever)? {
        Some((_, Change::Ended(status))) => Ok(status),
        _ => Err(Halt::Fail(Errno::ECHILD)),
    }
}

/// Waits for the end of a child.
#[op2]
pub async fn op_spawn_wait(state: Rc<RefCell<OpState>>, #[smi] id: ResourceId) -> Result<Status, JsErrorBox> {
    let child = state.borrow().resource_table.get::<Child>(id).map_err(JsErrorBox::from_err)?;
    if child.awaited.replace(true) {
        return Err(terminated());
    }
    let pid = child.pid;
    let ended = child.guest.call_async(|kernel, call| collect(kernel, call, pid)).await;
    // The number may be another's from now on.
    let _ = state.borrow_mut().resource_table.take::<Child>(id);
    ended.map(Status::from).map_err(|errno| JsErrorBox::from_err(SystemError::of("wait")(errno)))
}

fn terminated() -> JsErrorBox {
    JsErrorBox::type_error("Child process has already terminated")
}

/// Sends a signal to a child that was not collected.
#[op2]
pub fn op_spawn_kill(state: &mut OpState, #[smi] id: ResourceId, #[serde] signal: Named) -> Result<(), JsErrorBox> {
    let child = state.resource_table.get::<Child>(id).map_err(|_| terminated())?;
    let failed = |errno| JsErrorBox::from_err(SystemError::of("kill")(errno));
    let signal = signal.signal().map_err(failed)?;
    child.guest.with(|kernel, call| kernel.kill(call, Target::Process(child.pid), signal)).map_err(failed)
}

/// Whether a child ends with its parent: it never does.
#[op2(fast)]
pub fn op_spawn_child_ref(#[smi] _: ResourceId) {}

/// As [`op_spawn_child_ref`]: what keeps the event loop is the waiting.
#[op2(fast)]
pub fn op_spawn_child_unref(#[smi] _: ResourceId) {}
