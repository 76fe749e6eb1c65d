//! host_process: making processes and replacing images.
//!
//! Lists of strings are NUL-separated, a final NUL being optional; environment entries without `=` are dropped.

use super::cx::{Cx, Stop};
use crate::guest::End;
use crate::memory;
use std::sync::Arc;
use warren_kernel::Errno;
use warren_kernel::id::{Fd, Pgid};
use warren_kernel::process::exec::{DEFAULT_SEARCH, ExecImage};
use warren_kernel::process::spawn::{ACTIONS_MAX, Attributes, FileAction, Spawn};
use warren_kernel::process::{Strings, strings};
use warren_kernel::signal::SignalSet;
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
        // Only whoever launches from outside spares a process anything.
        shielded_signals: SignalSet::default(),
        ..Attributes::default()
    })
}

pub(super) const fn signal_set(lo: u32, hi: u32) -> SignalSet {
    SignalSet((hi as u64) << 32 | lo as u64)
}

/// The first two forms name the child's standard descriptors: the same number inherits, all ones closes.
fn stdio(cx: &mut Cx<'_>, given: [u32; 3]) -> Result<Vec<FileAction>, Errno> {
    let mut actions = Vec::new();
    let mut pairs = Vec::new();
    for (target, source) in given.into_iter().enumerate() {
        let to = Fd(target as u32);
        match source {
            CLOSED => actions.push(FileAction::Close(to)),
            same if same == to.0 => {}
            other => pairs.push((cx.real(other)?, to)),
        }
    }
    // First, since a source may be closed above.
    actions.insert(0, FileAction::Arrange(pairs));
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
