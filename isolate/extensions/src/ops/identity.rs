//! Who the process is, and how it ends.

use crate::guest::{Ending, Guest};
use crate::ops::Outcome;
use deno_core::{OpState, op2};
use deno_error::JsErrorBox;
use warren_kernel::Errno;
use warren_kernel::id::{Gid, Pgid, Pid, Uid};
use warren_kernel::process::group::Target;
use warren_kernel::signal::Signal;
use warren_kernel::user::Credentials;

fn process<T>(state: &OpState, look: impl FnOnce(&warren_kernel::process::Process) -> T) -> Option<T> {
    let guest = state.try_borrow::<Guest>()?;
    guest.with(|kernel, call| kernel.process(call.pid).ok().map(look))
}

#[op2(fast)]
#[number]
pub fn op_ppid(state: &mut OpState) -> i64 {
    process(state, |process| i64::from(process.parent.0)).unwrap_or(1)
}

#[op2(fast)]
#[smi]
pub fn op_warren_pid(state: &mut OpState) -> u32 {
    state.borrow::<Guest>().pid().0
}

#[op2]
#[smi]
pub fn op_uid(state: &mut OpState) -> Option<u32> {
    process(state, |process| process.credentials.uid.0)
}

#[op2]
#[smi]
pub fn op_gid(state: &mut OpState) -> Option<u32> {
    process(state, |process| process.credentials.gid.0)
}

#[op2(fast)]
pub fn op_geteuid(state: &mut OpState) -> u32 {
    process(state, |process| process.credentials.euid.0).unwrap_or_default()
}

#[op2(fast)]
pub fn op_getegid(state: &mut OpState) -> u32 {
    process(state, |process| process.credentials.egid.0).unwrap_or_default()
}

#[op2]
#[serde]
pub fn op_getgroups(state: &mut OpState) -> Vec<u32> {
    process(state, |process| process.credentials.groups.iter().map(|group| group.0).collect()).unwrap_or_default()
}

/// `process.setuid` and the like, by their names: 0, or the number of the error.
#[op2(fast)]
#[smi]
pub fn op_warren_set_id(state: &mut OpState, #[string] call_name: &str, id: u32) -> i32 {
    let set = |who: &mut Credentials| match call_name {
        "setuid" => who.set_uid(Uid(id)),
        "seteuid" => who.set_res_uid(None, Some(Uid(id)), None),
        "setgid" => who.set_gid(Gid(id)),
        "setegid" => who.set_res_gid(None, Some(Gid(id)), None),
        _ => Err(Errno::EINVAL),
    };
    let done = state.borrow::<Guest>().with(|kernel, call| kernel.set_credentials(call, set));
    done.map_or_else(|errno| i32::from(errno.number()), |()| 0)
}

#[op2(fast)]
pub fn op_set_exit_code(state: &mut OpState, #[smi] code: i32) {
    state.borrow_mut::<Outcome>().code = code;
}

#[op2(fast)]
#[smi]
pub fn op_get_exit_code(state: &mut OpState) -> i32 {
    state.borrow::<Outcome>().code
}

/// Ends the guest with the exit code that was set: its script runs no further.
#[op2(fast)]
pub fn op_exit(state: &mut OpState) {
    let code = state.borrow::<Outcome>().code;
    state.borrow::<Guest>().end(Ending::Exit(code as u8));
}

/// `process.abort()`.
#[op2(fast)]
pub fn op_process_abort(state: &mut OpState) {
    state.borrow::<Guest>().end(Ending::Signal(Signal::ABRT));
}

/// `process.kill(pid, signal)`: 0, or the number of the error.
#[op2(fast)]
pub fn op_node_process_kill(state: &mut OpState, #[smi] pid: i32, #[smi] signal: i32) -> Result<i32, JsErrorBox> {
    let target = match pid {
        0 => Target::OwnGroup,
        -1 => Target::Everyone,
        pid if pid < 0 => Target::Group(Pgid(pid.unsigned_abs())),
        pid => Target::Process(Pid(pid as u32)),
    };
    let guest = state.borrow::<Guest>();
    let signal = match signal {
        0 => None,
        number => match Signal::new(number as u32) {
            Ok(signal) => Some(signal),
            Err(errno) => return Ok(i32::from(errno.number())),
        },
    };
    let sent = guest.with(|kernel, call| kernel.kill(call, target, signal));
    guest.attend();
    Ok(sent.map_or_else(|errno| i32::from(errno.number()), |()| 0))
}

#[op2(fast)]
pub fn op_node_process_set_title(#[string] _: &str) {}

/// Bits of colour a terminal shows.
#[op2(fast)]
pub fn op_bootstrap_color_depth() -> i32 {
    8
}

/// CPU time of the guest's thread: milliseconds of the system's and of its own.
#[op2(fast)]
pub fn op_current_thread_cpu_usage(state: &mut OpState, #[buffer] out: &mut [f64]) {
    let used = process(state, |process| process.cpu).unwrap_or_default();
    if let [system, user, ..] = out {
        (*system, *user) = (0.0, used.as_secs_f64() * 1e6);
    }
}
