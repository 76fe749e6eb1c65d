//! host_user and host_system: who a process is, whom the session knows, and what the machine is called.
//!
//! Accounts are the lines of the session's own /etc/passwd and /etc/group, read anew for each question with the
//! caller's rights. A line that is not well formed is as if it were not there.

use super::cx::{Cx, Stop};
use crate::memory;
use warren_kernel::id::{Gid, Uid};
use warren_kernel::user::{Credentials, GROUPS_MAX};
use warren_kernel::vfs::proc;
use warren_kernel::{Errno, Step};

type Done = Result<(), Stop>;

/// The accounts.
const PASSWD: Table = Table { path: b"/etc/passwd", fields: 7 };
/// The groups.
const GROUP: Table = Table { path: b"/etc/group", fields: 4 };
/// Bytes of either file, at most.
const TABLE_MAX: usize = 1 << 20;
/// Bytes of a name that is looked for; a longer one is not found.
const NAME_MAX: usize = 256;
/// setuid() and its kin: no id, or keep what is.
const NONE: u32 = u32::MAX;

// ---- ids

pub async fn getuid(cx: &mut Cx<'_>, out: u32) -> Done {
    give_ids(cx, [out], |who| [who.uid.0])
}

pub async fn getgid(cx: &mut Cx<'_>, out: u32) -> Done {
    give_ids(cx, [out], |who| [who.gid.0])
}

pub async fn geteuid(cx: &mut Cx<'_>, out: u32) -> Done {
    give_ids(cx, [out], |who| [who.euid.0])
}

pub async fn getegid(cx: &mut Cx<'_>, out: u32) -> Done {
    give_ids(cx, [out], |who| [who.egid.0])
}

pub async fn getresuid(cx: &mut Cx<'_>, real: u32, effective: u32, saved: u32) -> Done {
    give_ids(cx, [real, effective, saved], |who| [who.uid.0, who.euid.0, who.suid.0])
}

pub async fn getresgid(cx: &mut Cx<'_>, real: u32, effective: u32, saved: u32) -> Done {
    give_ids(cx, [real, effective, saved], |who| [who.gid.0, who.egid.0, who.sgid.0])
}

fn give_ids<const N: usize>(cx: &mut Cx<'_>, out: [u32; N], ids: impl FnOnce(&Credentials) -> [u32; N]) -> Done {
    cx.check(&out.map(|at| (at, 4)))?;
    let ids = ids(&credentials(cx)?);
    for (at, id) in out.into_iter().zip(ids) {
        memory::put_u32(cx.memory(), at, id)?;
    }
    Ok(())
}

fn credentials(cx: &mut Cx<'_>) -> Result<Credentials, Errno> {
    cx.with(|kernel, call| Ok(kernel.process(call.pid)?.credentials.clone()))
}

pub async fn setuid(cx: &mut Cx<'_>, uid: u32) -> Done {
    let uid = Uid(some_id(uid)?);
    set(cx, |who| who.set_uid(uid))
}

pub async fn seteuid(cx: &mut Cx<'_>, uid: u32) -> Done {
    let uid = Uid(some_id(uid)?);
    set(cx, |who| who.set_res_uid(None, Some(uid), None))
}

pub async fn setgid(cx: &mut Cx<'_>, gid: u32) -> Done {
    let gid = Gid(some_id(gid)?);
    set(cx, |who| who.set_gid(gid))
}

pub async fn setegid(cx: &mut Cx<'_>, gid: u32) -> Done {
    let gid = Gid(some_id(gid)?);
    set(cx, |who| who.set_res_gid(None, Some(gid), None))
}

/// The saved id follows the effective one when the real one is given, or the effective one leaves the real one.
pub async fn setreuid(cx: &mut Cx<'_>, real: u32, effective: u32) -> Done {
    let (real, effective) = (kept(real).map(Uid), kept(effective).map(Uid));
    set(cx, |who| {
        if !who.is_root() && real.is_some_and(|uid| uid != who.uid && uid != who.euid) {
            return Err(Errno::EPERM);
        }
        let follows = real.is_some() || effective.is_some_and(|uid| uid != who.uid);
        let saved = follows.then_some(effective.unwrap_or(who.euid));
        who.set_res_uid(real, effective, saved)
    })
}

/// As [`setreuid`].
pub async fn setregid(cx: &mut Cx<'_>, real: u32, effective: u32) -> Done {
    let (real, effective) = (kept(real).map(Gid), kept(effective).map(Gid));
    set(cx, |who| {
        if !who.is_root() && real.is_some_and(|gid| gid != who.gid && gid != who.egid) {
            return Err(Errno::EPERM);
        }
        let follows = real.is_some() || effective.is_some_and(|gid| gid != who.gid);
        let saved = follows.then_some(effective.unwrap_or(who.egid));
        who.set_res_gid(real, effective, saved)
    })
}

pub async fn setresuid(cx: &mut Cx<'_>, real: u32, effective: u32, saved: u32) -> Done {
    let [real, effective, saved] = [real, effective, saved].map(|id| kept(id).map(Uid));
    set(cx, |who| who.set_res_uid(real, effective, saved))
}

pub async fn setresgid(cx: &mut Cx<'_>, real: u32, effective: u32, saved: u32) -> Done {
    let [real, effective, saved] = [real, effective, saved].map(|id| kept(id).map(Gid));
    set(cx, |who| who.set_res_gid(real, effective, saved))
}

fn set(cx: &mut Cx<'_>, change: impl FnOnce(&mut Credentials) -> Result<(), Errno>) -> Done {
    Ok(cx.with(|kernel, call| kernel.set_credentials(call, change))?)
}

fn some_id(id: u32) -> Result<u32, Errno> {
    kept(id).ok_or(Errno::EINVAL)
}

fn kept(id: u32) -> Option<u32> {
    (id != NONE).then_some(id)
}

/// Supplementary groups; a `cap` of 0 only asks how many.
pub async fn getgroups(cx: &mut Cx<'_>, cap: u32, out: u32, count: u32) -> Done {
    let groups = credentials(cx)?.groups;
    let len = groups.len() as u32;
    if cap != 0 && cap < len {
        return Err(Errno::EINVAL.into());
    }
    let given = if cap == 0 { 0 } else { len };
    cx.check(&[(out, given * 4), (count, 4)])?;
    for (index, gid) in groups.iter().take(given as usize).enumerate() {
        memory::put_u32(cx.memory(), out + index as u32 * 4, gid.0)?;
    }
    Ok(memory::put_u32(cx.memory(), count, len)?)
}

pub async fn setgroups(cx: &mut Cx<'_>, count: u32, list: u32) -> Done {
    if count as usize > GROUPS_MAX {
        return Err(Errno::EINVAL.into());
    }
    let bytes = memory::slice(cx.memory(), list, count * 4)?;
    let groups =
        bytes.chunks_exact(4).map(|gid| Gid(u32::from_le_bytes([gid[0], gid[1], gid[2], gid[3]]))).collect::<Vec<_>>();
    if groups.contains(&Gid(NONE)) {
        return Err(Errno::EINVAL.into());
    }
    set(cx, |who| who.set_groups(groups))
}

// ---- accounts

pub async fn getpwuid(cx: &mut Cx<'_>, uid: u32, buf: u32, cap: u32, out: u32) -> Done {
    look_up(cx, PASSWD, Key::Id(uid), Room { buf, cap, out }).await
}

pub async fn getpwnam(cx: &mut Cx<'_>, name: u32, len: u32, buf: u32, cap: u32, out: u32) -> Done {
    let name = cx.bytes(name, len, NAME_MAX, Errno::ENOENT)?;
    look_up(cx, PASSWD, Key::Name(&name), Room { buf, cap, out }).await
}

pub async fn getpwent(cx: &mut Cx<'_>, index: u32, buf: u32, cap: u32, out: u32) -> Done {
    look_up(cx, PASSWD, Key::Index(index), Room { buf, cap, out }).await
}

pub async fn getgrgid(cx: &mut Cx<'_>, gid: u32, buf: u32, cap: u32, out: u32) -> Done {
    look_up(cx, GROUP, Key::Id(gid), Room { buf, cap, out }).await
}

pub async fn getgrnam(cx: &mut Cx<'_>, name: u32, len: u32, buf: u32, cap: u32, out: u32) -> Done {
    let name = cx.bytes(name, len, NAME_MAX, Errno::ENOENT)?;
    look_up(cx, GROUP, Key::Name(&name), Room { buf, cap, out }).await
}

pub async fn getgrent(cx: &mut Cx<'_>, index: u32, buf: u32, cap: u32, out: u32) -> Done {
    look_up(cx, GROUP, Key::Index(index), Room { buf, cap, out }).await
}

/// A file of one record a line.
#[derive(Clone, Copy)]
struct Table {
    path: &'static [u8],
    /// Fields of a record: the first is its name, the third its id.
    fields: usize,
}

/// Which record.
#[derive(Clone, Copy)]
enum Key<'a> {
    Id(u32),
    Name(&'a [u8]),
    /// Counted from the first.
    Index(u32),
}

/// Where the record goes, and its length, which is also given when the record is too long.
#[derive(Clone, Copy)]
struct Room {
    buf: u32,
    cap: u32,
    out: u32,
}

async fn look_up(cx: &mut Cx<'_>, table: Table, key: Key<'_>, room: Room) -> Done {
    cx.check(&[(room.buf, room.cap), (room.out, 4)])?;
    cx.call(|kernel, call, memory| -> Step<()> {
        let text = kernel.read_file(call, table.path, TABLE_MAX)?;
        let record = find(&text, table.fields, key).ok_or(Errno::ENOENT)?;
        memory::put_u32(memory, room.out, record.len() as u32)?;
        if record.len() > room.cap as usize {
            return Err(Errno::ERANGE.into());
        }
        Ok(memory::put(memory, room.buf, record)?)
    })
    .await
}

/// The first record of this key.
fn find<'a>(text: &'a [u8], fields: usize, key: Key<'_>) -> Option<&'a [u8]> {
    let mut records = text.split(|byte| *byte == b'\n').filter_map(|line| Some((line, parse(line, fields)?)));
    let found = match key {
        Key::Id(id) => records.find(|(_, (_, its))| *its == id),
        Key::Name(name) => records.find(|(_, (its, _))| *its == name),
        Key::Index(index) => records.nth(index as usize),
    };
    found.map(|(line, _)| line)
}

/// Name and id of a line, if it is a record: as many fields as it must have, a name, and numbers where they belong.
fn parse(line: &[u8], fields: usize) -> Option<(&[u8], u32)> {
    let parts: Vec<&[u8]> = line.splitn(fields + 1, |byte| *byte == b':').collect();
    if parts.len() != fields || parts[0].is_empty() || parts[0][0] == b'#' || line.contains(&0) {
        return None;
    }
    // The fourth field of an account is its group.
    if fields == PASSWD.fields {
        number(parts[3])?;
    }
    Some((parts[0], number(parts[2])?))
}

fn number(field: &[u8]) -> Option<u32> {
    let digits = std::str::from_utf8(field).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
    digits.parse().ok()
}

// ---- the terminal and the machine

/// Whether a descriptor is a terminal; one that is not open is EBADF.
pub async fn isatty(cx: &mut Cx<'_>, fd: u32, out: u32) -> Done {
    cx.check(&[(out, 4)])?;
    let is_terminal = super::tty::is_terminal(cx, fd).await?.ok_or(Errno::EBADF)?;
    Ok(memory::put_u32(cx.memory(), out, u32::from(is_terminal))?)
}

/// uname(), a field at a time: 0 nodename, 1 sysname, 2 release, 3 version, 4 machine, 5 domainname.
pub async fn get_identity(cx: &mut Cx<'_>, field: u32, buf: u32, cap: u32) -> Done {
    cx.check(&[(buf, cap)])?;
    let mut text = match field {
        0 => cx.with(|kernel, _| kernel.hostname().to_owned()),
        1 => proc::SYSTEM_NAME.to_owned(),
        2 => proc::RELEASE.to_owned(),
        3 => proc::VERSION.to_owned(),
        4 => proc::MACHINE.to_owned(),
        5 => "(none)".to_owned(),
        _ => return Err(Errno::EINVAL.into()),
    }
    .into_bytes();
    text.push(0);
    if text.len() > cap as usize {
        return Err(Errno::ENAMETOOLONG.into());
    }
    Ok(memory::put(cx.memory(), buf, &text)?)
}

#[cfg(test)]
mod tests;
