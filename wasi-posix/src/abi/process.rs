//! host_process: waiting, signals, groups, limits, descriptors.

use super::cx::{Cx, Stop};
use super::preview1::{deadline_in, sleep_until};
use super::spawn::signal_set;
use crate::memory;
use std::time::Duration;
use warren_kernel::Errno;
use warren_kernel::id::{Fd, Pgid, Pid};
use warren_kernel::poll::{PollEvents, PollFd};
use warren_kernel::process::group::Target;
use warren_kernel::process::wait::{Change, Patience, Watch, Which};
use warren_kernel::process::{ExitStatus, Resource, ResourceLimit};
use warren_kernel::signal::{Disposition, Signal, SignalSet};
use warren_kernel::vfs::open::OpenFlags;

type Done = Result<(), Stop>;

// ---- wait

const WNOHANG: u32 = 1;
const WUNTRACED: u32 = 2;
const WCONTINUED: u32 = 8;

/// WNOHANG calls in a row, with nothing between them, that are answered at once.
const EAGER_POLLS: u32 = 4;
/// Longest time such a call is made to wait for a child after that.
const POLL_PAUSE_MAX: Duration = Duration::from_millis(20);

/// A shell that waits by calling WNOHANG in a loop would use a whole core; from the fifth such call on each waits a
/// little, and is answered the moment a child ends.
fn patience(cx: &mut Cx<'_>, block: bool) -> Patience {
    if block {
        return Patience::Forever;
    }
    let polls = cx.guest_mut().polls.again();
    if polls <= EAGER_POLLS {
        return Patience::None;
    }
    let pause = Duration::from_micros(500) * (1 << (polls - EAGER_POLLS).min(8));
    Patience::Until(deadline_in(cx, pause.min(POLL_PAUSE_MAX)))
}

async fn wait(cx: &mut Cx<'_>, pid: u32, watch: Watch, block: bool) -> Result<Option<(Pid, Change)>, Stop> {
    let which = match pid as i32 {
        -1 => Which::Any,
        0 => {
            let own = cx.with(|kernel, call| kernel.getpgid(call, Pid(0)))?;
            Which::Group(own)
        }
        child @ 1.. => Which::Child(Pid(child as u32)),
        group => Which::Group(Pgid(group.unsigned_abs())),
    };
    let patience = patience(cx, block);
    cx.call_quietly(|kernel, call, _| kernel.waitpid(call, which, watch, patience)).await
}

/// As [`wait`], for the forms that know of ends alone.
async fn wait_end(cx: &mut Cx<'_>, pid: u32, block: bool) -> Result<Option<(Pid, ExitStatus)>, Stop> {
    let change = wait(cx, pid, Watch::default(), block).await?;
    Ok(change.and_then(|(pid, change)| match change {
        Change::Ended(status) => Some((pid, status)),
        Change::Stopped(_) | Change::Continued => None,
    }))
}

pub async fn proc_waitpid(cx: &mut Cx<'_>, pid: u32, options: u32, out_status: u32, out_pid: u32) -> Done {
    if options & !WNOHANG != 0 {
        return Err(Errno::EINVAL.into());
    }
    cx.check(&[(out_status, 4), (out_pid, 4)])?;
    let ended = wait_end(cx, pid, options & WNOHANG == 0).await?;
    let (pid, status) = ended.map_or((0, 0), |(pid, status)| (pid.0, u32::from(status.shell_code())));
    memory::put_u32(cx.memory(), out_status, status)?;
    Ok(memory::put_u32(cx.memory(), out_pid, pid)?)
}

pub async fn proc_waitpid_v2(
    cx: &mut Cx<'_>,
    pid: u32,
    options: u32,
    out_exit: u32,
    out_signal: u32,
    out_pid: u32,
    out_core: u32,
) -> Done {
    if options & !WNOHANG != 0 {
        return Err(Errno::EINVAL.into());
    }
    cx.check(&[(out_exit, 4), (out_signal, 4), (out_pid, 4), (out_core, 4)])?;
    let ended = wait_end(cx, pid, options & WNOHANG == 0).await?;
    let (pid, exit, signal) = match ended {
        None => (0, 0, 0),
        Some((pid, ExitStatus::Exited(code))) => (pid.0, u32::from(code), 0),
        Some((pid, ExitStatus::Signaled(signal))) => (pid.0, 0, u32::from(signal.number())),
    };
    let memory = cx.memory();
    memory::put_u32(memory, out_exit, exit)?;
    memory::put_u32(memory, out_signal, signal)?;
    memory::put_u32(memory, out_pid, pid)?;
    Ok(memory::put_u32(memory, out_core, 0)?)
}

pub async fn proc_waitpid_v3(cx: &mut Cx<'_>, pid: u32, options: u32, out_status: u32, out_pid: u32) -> Done {
    if options & !(WNOHANG | WUNTRACED | WCONTINUED) != 0 {
        return Err(Errno::EINVAL.into());
    }
    cx.check(&[(out_status, 4), (out_pid, 4)])?;
    let watch = Watch { stopped: options & WUNTRACED != 0, continued: options & WCONTINUED != 0 };
    let change = wait(cx, pid, watch, options & WNOHANG == 0).await?;
    let (pid, status) = change.map_or((0, 0), |(pid, change)| (pid.0, change.raw()));
    memory::put_u32(cx.memory(), out_status, status)?;
    Ok(memory::put_u32(cx.memory(), out_pid, pid)?)
}

// ---- signals, groups, limits

pub async fn proc_kill(cx: &mut Cx<'_>, pid: u32, signal: u32) -> Done {
    let signal = if signal == 0 { None } else { Some(Signal::new(signal)?) };
    let target = match pid as i32 {
        -1 => Target::Everyone,
        0 => Target::OwnGroup,
        pid @ 1.. => Target::Process(Pid(pid as u32)),
        group => Target::Group(Pgid(group.unsigned_abs())),
    };
    Ok(cx.with(|kernel, call| kernel.kill(call, target, signal))?)
}

pub async fn proc_sigaction(cx: &mut Cx<'_>, signal: u32, action: u32, mask_lo: u32, mask_hi: u32, flags: u32) -> Done {
    let signal = Signal::new(signal)?;
    let disposition = match action {
        0 => Disposition::Default,
        1 => Disposition::Ignore,
        // Nothing could run the handler.
        2 if cx.guest().trampoline.is_none() => return Err(Errno::EOPNOTSUPP.into()),
        2 => Disposition::Catch { mask: signal_set(mask_lo, mask_hi), flags },
        _ => return Err(Errno::EINVAL.into()),
    };
    Ok(cx.with(|kernel, call| kernel.sigaction(call, signal, disposition))?)
}

pub async fn proc_signal_mask_v2(cx: &mut Cx<'_>, how: u32, lo: u32, hi: u32, out_lo: u32, out_hi: u32) -> Done {
    cx.check(&[(out_lo, 4), (out_hi, 4)])?;
    let set = signal_set(lo, hi);
    let before = cx.with(|kernel, call| {
        let before = kernel.process(call.pid)?.signals.blocked;
        let blocked = match how {
            0 => before.plus(set),
            1 => before.minus(set),
            2 => set,
            3 if set == SignalSet::default() => return Ok(before),
            _ => return Err(Errno::EINVAL),
        };
        kernel.set_blocked(call, blocked)
    })?;
    memory::put_u32(cx.memory(), out_lo, before.0 as u32)?;
    Ok(memory::put_u32(cx.memory(), out_hi, (before.0 >> 32) as u32)?)
}

pub async fn proc_getpid(cx: &mut Cx<'_>, out: u32) -> Done {
    let pid = cx.guest().pid;
    Ok(memory::put_u32(cx.memory(), out, pid.0)?)
}

pub async fn proc_getppid(cx: &mut Cx<'_>, out: u32) -> Done {
    let parent = cx.with(|kernel, call| kernel.process(call.pid).map(|process| process.parent))?;
    Ok(memory::put_u32(cx.memory(), out, parent.0)?)
}

pub async fn proc_getpgid(cx: &mut Cx<'_>, pid: u32, out: u32) -> Done {
    cx.check(&[(out, 4)])?;
    let group = cx.with(|kernel, call| kernel.getpgid(call, Pid(pid)))?;
    Ok(memory::put_u32(cx.memory(), out, group.0)?)
}

pub async fn proc_setpgid(cx: &mut Cx<'_>, pid: u32, group: u32) -> Done {
    if (pid as i32) < 0 || (group as i32) < 0 {
        return Err(Errno::EINVAL.into());
    }
    Ok(cx.with(|kernel, call| kernel.setpgid(call, Pid(pid), Pgid(group)))?)
}

pub async fn proc_getrlimit(cx: &mut Cx<'_>, resource: u32, soft: u32, hard: u32) -> Done {
    cx.check(&[(soft, 8), (hard, 8)])?;
    let resource = Resource::new(resource).ok_or(Errno::EINVAL)?;
    let limit = cx.with(|kernel, call| kernel.process(call.pid).map(|process| process.limit(resource)))?;
    memory::put_u64(cx.memory(), soft, limit.soft)?;
    Ok(memory::put_u64(cx.memory(), hard, limit.hard)?)
}

pub async fn proc_setrlimit(cx: &mut Cx<'_>, resource: u32, soft: u64, hard: u64) -> Done {
    let resource = Resource::new(resource).ok_or(Errno::EINVAL)?;
    Ok(cx.with(|kernel, call| kernel.setrlimit(call, resource, ResourceLimit { soft, hard }))?)
}

pub async fn proc_umask(cx: &mut Cx<'_>, mask: u32, out: u32) -> Done {
    cx.check(&[(out, 4)])?;
    let before = cx.with(|kernel, call| kernel.umask(call, mask))?;
    Ok(memory::put_u32(cx.memory(), out, before)?)
}

pub async fn umask(cx: &mut Cx<'_>, mask: u32, set: u32, out: u32) -> Done {
    cx.check(&[(out, 4)])?;
    let before = cx.with(|kernel, call| {
        let present = kernel.process(call.pid)?.umask;
        kernel.umask(call, if set == 0 { present } else { mask })
    })?;
    Ok(memory::put_u32(cx.memory(), out, before)?)
}

/// op 0 asks, 1 sets; microseconds, both zero being no timer.
pub async fn proc_itimer_real(
    cx: &mut Cx<'_>,
    op: u32,
    value: u64,
    interval: u64,
    out_left: u32,
    out_interval: u32,
) -> Done {
    cx.check(&[(out_left, 8), (out_interval, 8)])?;
    let before = cx.with(|kernel, call| match op {
        0 => kernel.getitimer(call),
        1 => kernel.setitimer(call, Duration::from_micros(value), Duration::from_micros(interval)),
        _ => Err(Errno::EINVAL),
    })?;
    let micros = |time: Duration| u64::try_from(time.as_nanos().div_ceil(1000)).unwrap_or(u64::MAX);
    memory::put_u64(cx.memory(), out_left, micros(before.value))?;
    Ok(memory::put_u64(cx.memory(), out_interval, micros(before.interval))?)
}

pub async fn sleep_ms(cx: &mut Cx<'_>, ms: u32) -> Done {
    let deadline = deadline_in(cx, Duration::from_millis(u64::from(ms)));
    sleep_until(cx, deadline).await
}

#[allow(clippy::too_many_arguments, reason = "the ABI's signature")]
pub async fn proc_ppoll_v1(
    cx: &mut Cx<'_>,
    fds: u32,
    count: u32,
    sec: i64,
    nsec: i64,
    mask_lo: u32,
    mask_hi: u32,
    has_mask: u32,
    out: u32,
) -> Done {
    let timeout = match (sec, nsec) {
        (i64::MIN..=-1, i64::MIN..=-1) => None,
        (0.., 0..1_000_000_000) => Some(Duration::new(sec as u64, nsec as u32)),
        _ => return Err(Errno::EINVAL.into()),
    };
    if has_mask == 0 {
        return poll_records(cx, fds, count, timeout, out).await;
    }
    // What the mask lets in is handled inside the call; then the old one is back.
    let mask = signal_set(mask_lo, mask_hi);
    let before = cx.with(|kernel, call| kernel.set_blocked(call, mask))?;
    let polled = poll_records(cx, fds, count, timeout, out).await;
    if !matches!(polled, Err(Stop::End(_))) {
        cx.with(|kernel, call| kernel.set_blocked(call, before))?;
    }
    polled
}

/// poll() over records of 8 bytes: fd, events, revents.
pub(crate) async fn poll_records(cx: &mut Cx<'_>, fds: u32, count: u32, timeout: Option<Duration>, out: u32) -> Done {
    if count > memory::VECTORS_MAX {
        return Err(Errno::EINVAL.into());
    }
    cx.check(&[(fds, count * 8), (out, 4)])?;
    let mut list = Vec::with_capacity(count as usize);
    for index in 0..count {
        let record = memory::get_u64(cx.memory(), fds + index * 8)?;
        let fd = record as i32;
        let events = PollEvents::from_bits_truncate((record >> 32) as u16);
        list.push(PollFd { fd: u32::try_from(fd).ok().map(Fd), events, found: PollEvents::empty() });
    }
    let deadline = timeout.map(|timeout| deadline_in(cx, timeout));
    let ready = cx.call(|kernel, call, _| kernel.poll(call, &mut list, deadline)).await?;
    for (index, poll) in list.iter().enumerate() {
        memory::put_u16(cx.memory(), fds + index as u32 * 8 + 6, poll.found.bits())?;
    }
    Ok(memory::put_u32(cx.memory(), out, ready as u32)?)
}

// ---- descriptors

pub async fn fd_pipe(cx: &mut Cx<'_>, out_read: u32, out_write: u32) -> Done {
    cx.check(&[(out_read, 4), (out_write, 4)])?;
    let (read, write) = cx.with(|kernel, call| kernel.pipe(call, OpenFlags::empty()))?;
    memory::put_u32(cx.memory(), out_read, read.0)?;
    Ok(memory::put_u32(cx.memory(), out_write, write.0)?)
}

pub async fn fd_dup(cx: &mut Cx<'_>, fd: u32, out: u32) -> Done {
    fd_dup_min(cx, fd, 0, out).await
}

pub async fn fd_dup_min(cx: &mut Cx<'_>, fd: u32, from: u32, out: u32) -> Done {
    cx.check(&[(out, 4)])?;
    let fd = cx.real(fd)?;
    let new = cx.with(|kernel, call| kernel.duplicate(call, fd, Fd(from), false))?;
    Ok(memory::put_u32(cx.memory(), out, new.0)?)
}

pub async fn fd_dup2(cx: &mut Cx<'_>, fd: u32, to: u32) -> Done {
    let fd = cx.real(fd)?;
    Ok(cx.with(|kernel, call| kernel.duplicate_to(call, fd, Fd(to), false).map(|_| ()))?)
}

pub async fn fd_getfd(cx: &mut Cx<'_>, fd: u32, out: u32) -> Done {
    cx.check(&[(out, 4)])?;
    let fd = cx.real(fd)?;
    let closes = cx.with(|kernel, call| {
        kernel.process(call.pid)?.descriptors.get(fd).map(|descriptor| descriptor.close_on_exec)
    })?;
    Ok(memory::put_u32(cx.memory(), out, u32::from(closes))?)
}

pub async fn fd_setfd(cx: &mut Cx<'_>, fd: u32, flags: u32) -> Done {
    let fd = cx.real(fd)?;
    Ok(cx.with(|kernel, call| kernel.set_close_on_exec(call, fd, flags & 1 != 0))?)
}

pub async fn proc_closefrom(cx: &mut Cx<'_>, from: u32) -> Done {
    Ok(cx.with(|kernel, call| kernel.close_from(call, Fd(from)))?)
}
