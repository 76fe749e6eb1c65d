//! host_process: spawn, exec, wait, signals, descriptors.
//!
//! Lists of strings are NUL-separated, a final NUL being optional; environment entries without `=` are dropped.

use super::cx::{Cx, Stop};
use super::preview1::{deadline_in, sleep_until};
use crate::guest::End;
use crate::memory;
use std::sync::Arc;
use std::time::Duration;
use warren_kernel::Errno;
use warren_kernel::id::{Fd, Pgid, Pid};
use warren_kernel::poll::{PollEvents, PollFd};
use warren_kernel::process::exec::{DEFAULT_SEARCH, ExecImage};
use warren_kernel::process::group::Target;
use warren_kernel::process::spawn::{ACTIONS_MAX, Attributes, FileAction, Spawn};
use warren_kernel::process::wait::{Patience, Which};
use warren_kernel::process::{ExitStatus, Resource, ResourceLimit, Strings, strings};
use warren_kernel::signal::{Disposition, Signal, SignalSet};
use warren_kernel::vfs::Mode;
use warren_kernel::vfs::open::OpenFlags;

type Done = Result<(), Stop>;

/// Bytes of one list of strings or actions, at most; the session's own limit is checked by the kernel.
const LIST_MAX: usize = 1 << 20;
/// A descriptor that is to be closed in the child (proc_spawn_v2).
const CLOSED: u32 = u32::MAX;

mod flag {
    pub(super) const RESET_IDS: u32 = 1;
    pub(super) const SET_GROUP: u32 = 2;
    pub(super) const SET_DEFAULT_SIGNALS: u32 = 4;
    pub(super) const SET_MASK: u32 = 8;
    pub(super) const SET_SCHED_PARAM: u32 = 16;
    pub(super) const SET_SCHEDULER: u32 = 32;
    pub(super) const USE_VFORK: u32 = 64;
    pub(super) const SET_SESSION: u32 = 128;
    pub(super) const ALL: u32 = 255;
}

// ---- spawn and exec

#[allow(clippy::too_many_arguments, reason = "the ABI's signature")]
pub async fn proc_spawn(
    cx: &mut Cx<'_>,
    argv: u32,
    argv_len: u32,
    env: u32,
    env_len: u32,
    stdin: u32,
    stdout: u32,
    stderr: u32,
    cwd: u32,
    cwd_len: u32,
    out: u32,
) -> Done {
    let arguments = list(cx, argv, argv_len)?;
    let command = arguments.first().cloned().ok_or(Errno::EINVAL)?;
    let actions = stdio(cx, [stdin, stdout, stderr])?;
    let spawn = Spawn {
        command,
        search: None,
        arguments,
        environment: environment(cx, env, env_len)?,
        cwd: optional_path(cx, cwd, cwd_len)?,
        actions,
        attributes: Attributes::default(),
    };
    finish_spawn(cx, with_search(spawn), out).await
}

#[allow(clippy::too_many_arguments, reason = "the ABI's signature")]
pub async fn proc_spawn_v2(
    cx: &mut Cx<'_>,
    cmd: u32,
    cmd_len: u32,
    argv: u32,
    argv_len: u32,
    env: u32,
    env_len: u32,
    stdin: u32,
    stdout: u32,
    stderr: u32,
    cwd: u32,
    cwd_len: u32,
    out: u32,
) -> Done {
    let actions = stdio(cx, [stdin, stdout, stderr])?;
    let spawn = Spawn {
        command: cx.path(cmd, cmd_len)?.into(),
        search: None,
        arguments: list(cx, argv, argv_len)?,
        environment: environment(cx, env, env_len)?,
        cwd: optional_path(cx, cwd, cwd_len)?,
        actions,
        attributes: Attributes::default(),
    };
    finish_spawn(cx, with_search(spawn), out).await
}

#[allow(clippy::too_many_arguments, reason = "the ABI's signature")]
pub async fn proc_spawn_v3(
    cx: &mut Cx<'_>,
    cmd: u32,
    cmd_len: u32,
    argv: u32,
    argv_len: u32,
    env: u32,
    env_len: u32,
    actions: u32,
    actions_len: u32,
    cwd: u32,
    cwd_len: u32,
    flags: u32,
    default_lo: u32,
    default_hi: u32,
    mask_lo: u32,
    mask_hi: u32,
    group: u32,
    out: u32,
) -> Done {
    let attributes = attributes(flags, (default_lo, default_hi), (mask_lo, mask_hi), group, (0, 0))?;
    let spawn = Spawn {
        command: cx.path(cmd, cmd_len)?.into(),
        search: None,
        arguments: list(cx, argv, argv_len)?,
        environment: environment(cx, env, env_len)?,
        cwd: optional_path(cx, cwd, cwd_len)?,
        actions: file_actions(cx, actions, actions_len)?,
        attributes,
    };
    finish_spawn(cx, with_search(spawn), out).await
}

/// The arguments in order: cmd, argv, env, actions, cwd, search_path (pointer and length each), flags, sigdefault
/// lo and hi, sigmask lo and hi, pgroup, sched_policy, sched_priority, out_pid.
pub async fn proc_spawn_v4(cx: &mut Cx<'_>, words: &[u32; 21]) -> Done {
    let [cmd, cmd_len, argv, argv_len, env, env_len, acts, acts_len, cwd, cwd_len, search, search_len, rest @ ..] =
        words;
    let [flags, default_lo, default_hi, mask_lo, mask_hi, group, policy, priority, out] = rest;
    let attributes =
        attributes(*flags, (*default_lo, *default_hi), (*mask_lo, *mask_hi), *group, (*policy, *priority))?;
    let search = if *search == 0 { None } else { Some(cx.bytes(*search, *search_len, LIST_MAX, Errno::E2BIG)?.into()) };
    let spawn = Spawn {
        command: cx.path(*cmd, *cmd_len)?.into(),
        search,
        arguments: list(cx, *argv, *argv_len)?,
        environment: environment(cx, *env, *env_len)?,
        cwd: optional_path(cx, *cwd, *cwd_len)?,
        actions: file_actions(cx, *acts, *acts_len)?,
        attributes,
    };
    finish_spawn(cx, spawn, *out).await
}

async fn finish_spawn(cx: &mut Cx<'_>, spawn: Spawn, out: u32) -> Done {
    cx.check(&[(out, 4)])?;
    let pid = cx.call(|kernel, call, _| kernel.spawn(call, &spawn)).await?;
    Ok(memory::put_u32(cx.memory(), out, pid.0)?)
}

/// A command without `/` is looked for in the child's PATH.
fn with_search(mut spawn: Spawn) -> Spawn {
    let path = spawn.environment.iter().find_map(|entry| entry.strip_prefix(b"PATH="));
    spawn.search = Some(path.unwrap_or(DEFAULT_SEARCH).into());
    spawn
}

fn attributes(
    flags: u32,
    default: (u32, u32),
    mask: (u32, u32),
    group: u32,
    sched: (u32, u32),
) -> Result<Attributes, Errno> {
    if flags & !flag::ALL != 0 {
        return Err(Errno::EOPNOTSUPP);
    }
    if flags & flag::SET_SCHEDULER != 0 && sched.0 != 0 {
        return Err(Errno::EPERM);
    }
    if flags & (flag::SET_SCHEDULER | flag::SET_SCHED_PARAM) != 0 && sched.1 != 0 {
        return Err(Errno::EINVAL);
    }
    let _ = flag::USE_VFORK;
    let set = |bit: u32, value: (u32, u32)| (flags & bit != 0).then(|| signal_set(value.0, value.1));
    Ok(Attributes {
        reset_ids: flags & flag::RESET_IDS != 0,
        group: (flags & flag::SET_GROUP != 0).then_some(Pgid(group)),
        new_session: flags & flag::SET_SESSION != 0,
        default_signals: set(flag::SET_DEFAULT_SIGNALS, default),
        blocked_signals: set(flag::SET_MASK, mask),
    })
}

const fn signal_set(lo: u32, hi: u32) -> SignalSet {
    SignalSet((hi as u64) << 32 | lo as u64)
}

/// The first two forms name the child's standard descriptors: the same number inherits, all ones closes.
fn stdio(cx: &mut Cx<'_>, given: [u32; 3]) -> Result<Vec<FileAction>, Errno> {
    let mut actions = Vec::new();
    // Sources are moved out of the way first: 1 may become 0 while 0 becomes 1.
    let mut sources = Vec::new();
    for (target, source) in given.into_iter().enumerate() {
        let to = Fd(target as u32);
        match source {
            CLOSED => actions.push(FileAction::Close(to)),
            same if same == to.0 => {}
            other => sources.push((cx.real(other)?, to)),
        }
    }
    const ASIDE: u32 = 900;
    for (index, (from, _)) in sources.iter().enumerate() {
        actions.insert(0, FileAction::Duplicate { from: *from, to: Fd(ASIDE + index as u32) });
    }
    for (index, (_, to)) in sources.iter().enumerate() {
        let aside = Fd(ASIDE + index as u32);
        actions.push(FileAction::Duplicate { from: aside, to: *to });
        actions.push(FileAction::Close(aside));
    }
    Ok(actions)
}

/// Records of 24 bytes (op, fd, src_fd, oflag, mode, path_len) followed by the path.
fn file_actions(cx: &mut Cx<'_>, at: u32, len: u32) -> Result<Vec<FileAction>, Errno> {
    let bytes = cx.bytes(at, len, LIST_MAX, Errno::E2BIG)?;
    let mut rest = bytes.as_slice();
    let mut actions = Vec::new();
    while !rest.is_empty() {
        let (header, behind) = rest.split_at_checked(24).ok_or(Errno::EINVAL)?;
        let word = |index: usize| {
            u32::from_le_bytes([header[index * 4], header[index * 4 + 1], header[index * 4 + 2], header[index * 4 + 3]])
        };
        let (path, behind) = behind.split_at_checked(word(5) as usize).ok_or(Errno::EINVAL)?;
        rest = behind;
        if actions.len() == ACTIONS_MAX {
            return Err(Errno::E2BIG);
        }
        let path: Arc<[u8]> = path.strip_suffix(&[0]).unwrap_or(path).into();
        actions.push(match word(0) {
            1 => FileAction::Close(Fd(word(1))),
            2 => FileAction::Duplicate { from: Fd(word(2)), to: Fd(word(1)) },
            3 => FileAction::Open { fd: Fd(word(1)), path, flags: libc_open_flags(word(3))?, mode: Mode::new(word(4)) },
            4 => FileAction::ChangeDirectory(path),
            5 => FileAction::ChangeDirectoryTo(Fd(word(1))),
            6 => FileAction::CloseFrom(Fd(word(1))),
            _ => return Err(Errno::EINVAL),
        });
    }
    Ok(actions)
}

/// open()'s flags as wasi-libc's <fcntl.h> spells them.
pub(crate) fn libc_open_flags(bits: u32) -> Result<OpenFlags, Errno> {
    const APPEND: u32 = 1;
    const NONBLOCK: u32 = 4;
    const CREAT: u32 = 1 << 12;
    const DIRECTORY: u32 = 2 << 12;
    const EXCL: u32 = 4 << 12;
    const TRUNC: u32 = 8 << 12;
    const NOFOLLOW: u32 = 0x0100_0000;
    const READ: u32 = 0x0400_0000;
    const WRITE: u32 = 0x1000_0000;
    let mut flags = OpenFlags::empty();
    for (bit, flag) in [
        (APPEND, OpenFlags::APPEND),
        (NONBLOCK, OpenFlags::NONBLOCK),
        (CREAT, OpenFlags::CREATE),
        (DIRECTORY, OpenFlags::DIRECTORY),
        (EXCL, OpenFlags::EXCLUSIVE),
        (TRUNC, OpenFlags::TRUNCATE),
        (NOFOLLOW, OpenFlags::NOFOLLOW),
        (READ, OpenFlags::READ),
        (WRITE, OpenFlags::WRITE),
    ] {
        flags.set(flag, bits & bit != 0);
    }
    Ok(flags)
}

#[allow(clippy::too_many_arguments, reason = "the ABI's signature")]
pub async fn proc_exec(
    cx: &mut Cx<'_>,
    path: u32,
    path_len: u32,
    argv: u32,
    argv_len: u32,
    env: u32,
    env_len: u32,
    close: u32,
    count: u32,
) -> Done {
    let image = ExecImage::Path(cx.path(path, path_len)?.into());
    exec(cx, image, (argv, argv_len), (env, env_len), (close, count)).await
}

#[allow(clippy::too_many_arguments, reason = "the ABI's signature")]
pub async fn proc_fexec(
    cx: &mut Cx<'_>,
    fd: u32,
    argv: u32,
    argv_len: u32,
    env: u32,
    env_len: u32,
    close: u32,
    count: u32,
) -> Done {
    let image = ExecImage::Descriptor(cx.real(fd)?);
    exec(cx, image, (argv, argv_len), (env, env_len), (close, count)).await
}

async fn exec(cx: &mut Cx<'_>, image: ExecImage, argv: (u32, u32), env: (u32, u32), close: (u32, u32)) -> Done {
    let arguments = list(cx, argv.0, argv.1)?;
    let environment = environment(cx, env.0, env.1)?;
    if close.1 as usize > LIST_MAX / 4 {
        return Err(Errno::E2BIG.into());
    }
    let closing = cx.bytes(close.0, close.1 * 4, LIST_MAX, Errno::E2BIG)?;
    let closing: Vec<Fd> =
        closing.chunks_exact(4).map(|word| Fd(u32::from_le_bytes([word[0], word[1], word[2], word[3]]))).collect();
    let (program, runtime) =
        cx.call(|kernel, call, _| kernel.exec(call, &image, arguments.clone(), environment.clone(), &closing)).await?;
    Err(Stop::End(End::Exec(program, runtime)))
}

fn list(cx: &mut Cx<'_>, at: u32, len: u32) -> Result<Strings, Errno> {
    let bytes = cx.bytes(at, len, LIST_MAX, Errno::E2BIG)?;
    let bytes = bytes.strip_suffix(&[0]).unwrap_or(&bytes);
    Ok(if bytes.is_empty() && len == 0 { strings::<&[u8]>([]) } else { strings(bytes.split(|byte| *byte == 0)) })
}

fn environment(cx: &mut Cx<'_>, at: u32, len: u32) -> Result<Strings, Errno> {
    Ok(list(cx, at, len)?.iter().filter(|entry| entry.contains(&b'=')).cloned().collect())
}

fn optional_path(cx: &mut Cx<'_>, at: u32, len: u32) -> Result<Option<Arc<[u8]>>, Errno> {
    if len == 0 { Ok(None) } else { Ok(Some(cx.path(at, len)?.into())) }
}

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

async fn wait(cx: &mut Cx<'_>, pid: u32, block: bool) -> Result<Option<(Pid, ExitStatus)>, Stop> {
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
    cx.call_quietly(|kernel, call, _| kernel.waitpid(call, which, patience)).await
}

pub async fn proc_waitpid(cx: &mut Cx<'_>, pid: u32, options: u32, out_status: u32, out_pid: u32) -> Done {
    if options & !WNOHANG != 0 {
        return Err(Errno::EINVAL.into());
    }
    cx.check(&[(out_status, 4), (out_pid, 4)])?;
    let ended = wait(cx, pid, options & WNOHANG == 0).await?;
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
    let ended = wait(cx, pid, options & WNOHANG == 0).await?;
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
    let ended = wait(cx, pid, options & WNOHANG == 0).await?;
    let (pid, status) = ended.map_or((0, 0), |(pid, status)| (pid.0, status.raw()));
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

pub async fn proc_itimer_real(
    cx: &mut Cx<'_>,
    op: u32,
    value: u64,
    _interval: u64,
    out_left: u32,
    out_interval: u32,
) -> Done {
    cx.check(&[(out_left, 8), (out_interval, 8)])?;
    match (op, value) {
        // Asking for it, or clearing it: there is none.
        (0, _) | (1, 0) => {
            memory::put_u64(cx.memory(), out_left, 0)?;
            Ok(memory::put_u64(cx.memory(), out_interval, 0)?)
        }
        (1, _) => Err(Errno::ENOSYS.into()),
        _ => Err(Errno::EINVAL.into()),
    }
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
    _mask_lo: u32,
    _mask_hi: u32,
    _has_mask: u32,
    out: u32,
) -> Done {
    let timeout = match (sec, nsec) {
        (i64::MIN..=-1, i64::MIN..=-1) => None,
        (0.., 0..1_000_000_000) => Some(Duration::new(sec as u64, nsec as u32)),
        _ => return Err(Errno::EINVAL.into()),
    };
    poll_records(cx, fds, count, timeout, out).await
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

// ---- locks: until the kernel has them, nobody else ever holds one

pub async fn fd_flock(cx: &mut Cx<'_>, fd: u32, op: u32) -> Done {
    const NONBLOCK: u32 = 4;
    let fd = cx.real(fd)?;
    cx.with(|kernel, call| kernel.process(call.pid)?.descriptors.get(fd))?;
    // LOCK_SH 1, LOCK_EX 2, LOCK_UN 8.
    if matches!(op & !NONBLOCK, 1 | 2 | 8) { Ok(()) } else { Err(Errno::EINVAL.into()) }
}

#[allow(clippy::too_many_arguments, reason = "the ABI's signature")]
pub async fn fd_record_lock(
    cx: &mut Cx<'_>,
    fd: u32,
    cmd: u32,
    kind: u32,
    start: u64,
    len: u64,
    out_kind: u32,
    out_pid: u32,
    out_start: u32,
    out_len: u32,
) -> Done {
    const GETLK: u32 = 12;
    const SETLK: u32 = 13;
    const SETLKW: u32 = 14;
    const UNLOCKED: u32 = 2;
    let fd = cx.real(fd)?;
    cx.with(|kernel, call| kernel.process(call.pid)?.descriptors.get(fd))?;
    if kind > UNLOCKED {
        return Err(Errno::EINVAL.into());
    }
    match cmd {
        GETLK => {
            cx.check(&[(out_kind, 4), (out_pid, 4), (out_start, 8), (out_len, 8)])?;
            let memory = cx.memory();
            memory::put_u32(memory, out_kind, UNLOCKED)?;
            memory::put_u32(memory, out_pid, 0)?;
            memory::put_u64(memory, out_start, start)?;
            Ok(memory::put_u64(memory, out_len, len)?)
        }
        SETLK | SETLKW => Ok(()),
        _ => Err(Errno::EINVAL.into()),
    }
}
