//! What a module may import: one table of functions, each supported, partial with its reason, or refused.
//!
//! The table below *is* the compatibility page (`docs/compatibility.md` is printed from it). A function decodes its
//! arguments, checks every range of memory it will write, and only then makes a system call: a call that fails with
//! EFAULT has had no effect. Arguments are little-endian, pointers are offsets of 32 bits, and unless said otherwise
//! the answer is a WASI errno.

pub mod fs;
pub mod lock;
pub mod net;
pub mod preview1;
pub mod process;
pub mod spawn;
pub mod tty;
pub mod user;

mod cx;

pub use cx::{Cx, Stop};

use crate::guest::Guest;
use warren_kernel::Errno;
use warren_kernel::runtime::LoadError;
use wasmtime::{Caller, ExternType, FuncType, Linker, Module, Val, ValType};

/// One importable function.
#[derive(Clone, Copy, Debug)]
pub struct Function {
    /// The module it is imported from.
    pub module: &'static str,
    /// Its name.
    pub name: &'static str,
    /// How far it goes.
    pub support: Support,
}

/// How far a function goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// All of it.
    Full,
    /// Not all of it, for this reason.
    Partial(&'static str),
    /// It links and always fails, for this reason.
    Refused(&'static str),
}

use Support::{Full, Partial, Refused};

macro_rules! functions {
    ($($module:literal: $($name:ident ($($arg:ident: $ty:ty),*) = $handler:path, $support:expr;)*)*) => {
        /// Every function a module may import.
        pub const FUNCTIONS: &[Function] = &[$($(
            Function { module: $module, name: stringify!($name), support: $support },
        )*)*];

        /// Adds every function to a linker.
        ///
        /// # Errors
        /// Two entries of one name: a mistake in the table.
        pub fn link(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
            $($(linker.func_wrap_async($module, stringify!($name), |caller: Caller<'_, Guest>, ($($arg,)*): ($($ty,)*)| {
                Box::new(async move {
                    let mut cx = Cx::enter(caller).await?;
                    let answer = $handler(&mut cx, $($arg),*).await;
                    cx.leave(answer).await
                })
            })?;)*)*
            link_spawn_v4(linker)
        }
    };
}

const DATAGRAMS: Support = Partial("inside the session; no datagram leaves it: ENETUNREACH");

functions! {
    "wasi_snapshot_preview1":
    args_get(argv: u32, buf: u32) = preview1::args_get, Full;
    args_sizes_get(count: u32, size: u32) = preview1::args_sizes_get, Full;
    environ_get(environ: u32, buf: u32) = preview1::environ_get, Full;
    environ_sizes_get(count: u32, size: u32) = preview1::environ_sizes_get, Full;
    clock_res_get(clock: u32, out: u32) = preview1::clock_res_get, Full;
    clock_time_get(clock: u32, precision: u64, out: u32) = preview1::clock_time_get, Full;
    fd_advise(fd: u32, offset: u64, len: u64, advice: u32) = preview1::fd_advise, Partial("checked and ignored: files are in memory");
    fd_allocate(fd: u32, offset: u64, len: u64) = preview1::fd_allocate, Partial("extends the file without reserving space");
    fd_close(fd: u32) = preview1::fd_close, Full;
    fd_datasync(fd: u32) = preview1::fd_sync, Full;
    fd_fdstat_get(fd: u32, out: u32) = preview1::fd_fdstat_get, Full;
    fd_fdstat_set_flags(fd: u32, flags: u32) = preview1::fd_fdstat_set_flags, Full;
    fd_fdstat_set_rights(fd: u32, base: u64, inheriting: u64) = preview1::fd_fdstat_set_rights, Partial("checks the descriptor; rights follow how it was opened");
    fd_filestat_get(fd: u32, out: u32) = preview1::fd_filestat_get, Full;
    fd_filestat_set_size(fd: u32, size: u64) = preview1::fd_filestat_set_size, Full;
    fd_filestat_set_times(fd: u32, atim: u64, mtim: u64, flags: u32) = preview1::fd_filestat_set_times, Full;
    fd_pread(fd: u32, iovs: u32, count: u32, offset: u64, out: u32) = preview1::fd_pread, Full;
    fd_prestat_get(fd: u32, out: u32) = preview1::fd_prestat_get, Full;
    fd_prestat_dir_name(fd: u32, path: u32, len: u32) = preview1::fd_prestat_dir_name, Full;
    fd_pwrite(fd: u32, iovs: u32, count: u32, offset: u64, out: u32) = preview1::fd_pwrite, Full;
    fd_read(fd: u32, iovs: u32, count: u32, out: u32) = preview1::fd_read, Full;
    fd_readdir(fd: u32, buf: u32, len: u32, cookie: u64, out: u32) = preview1::fd_readdir, Full;
    fd_renumber(fd: u32, to: u32) = preview1::fd_renumber, Full;
    fd_seek(fd: u32, offset: i64, whence: u32, out: u32) = preview1::fd_seek, Full;
    fd_sync(fd: u32) = preview1::fd_sync, Full;
    fd_tell(fd: u32, out: u32) = preview1::fd_tell, Full;
    fd_write(fd: u32, iovs: u32, count: u32, out: u32) = preview1::fd_write, Full;
    path_create_directory(fd: u32, path: u32, len: u32) = preview1::path_create_directory, Full;
    path_filestat_get(fd: u32, flags: u32, path: u32, len: u32, out: u32) = preview1::path_filestat_get, Full;
    path_filestat_set_times(fd: u32, flags: u32, path: u32, len: u32, atim: u64, mtim: u64, fst: u32) = preview1::path_filestat_set_times, Full;
    path_link(fd: u32, flags: u32, path: u32, len: u32, to: u32, new: u32, new_len: u32) = preview1::path_link, Full;
    path_open(fd: u32, lookup: u32, path: u32, len: u32, oflags: u32, base: u64, inheriting: u64, fdflags: u32, out: u32) = preview1::path_open, Full;
    path_readlink(fd: u32, path: u32, len: u32, buf: u32, buf_len: u32, out: u32) = preview1::path_readlink, Full;
    path_remove_directory(fd: u32, path: u32, len: u32) = preview1::path_remove_directory, Full;
    path_rename(fd: u32, path: u32, len: u32, to: u32, new: u32, new_len: u32) = preview1::path_rename, Full;
    path_symlink(target: u32, target_len: u32, fd: u32, path: u32, len: u32) = preview1::path_symlink, Full;
    path_unlink_file(fd: u32, path: u32, len: u32) = preview1::path_unlink_file, Full;
    poll_oneoff(subscriptions: u32, events: u32, count: u32, out: u32) = preview1::poll_oneoff, Full;
    proc_exit(code: u32) = preview1::proc_exit, Full;
    proc_raise(signal: u32) = preview1::proc_raise, Full;
    sched_yield() = preview1::sched_yield, Full;
    random_get(buf: u32, len: u32) = preview1::random_get, Full;
    sock_accept(fd: u32, flags: u32, out: u32) = net::sock_accept, Full;
    sock_recv(fd: u32, iovs: u32, count: u32, flags: u32, out: u32, out_flags: u32) = net::sock_recv, Full;
    sock_send(fd: u32, iovs: u32, count: u32, flags: u32, out: u32) = net::sock_send, Full;
    sock_shutdown(fd: u32, how: u32) = net::sock_shutdown, Full;

    "wasi_unstable":
    args_get(argv: u32, buf: u32) = preview1::args_get, Full;
    args_sizes_get(count: u32, size: u32) = preview1::args_sizes_get, Full;
    environ_get(environ: u32, buf: u32) = preview1::environ_get, Full;
    environ_sizes_get(count: u32, size: u32) = preview1::environ_sizes_get, Full;
    clock_res_get(clock: u32, out: u32) = preview1::clock_res_get, Full;
    clock_time_get(clock: u32, precision: u64, out: u32) = preview1::clock_time_get, Full;
    fd_advise(fd: u32, offset: u64, len: u64, advice: u32) = preview1::fd_advise, Partial("checked and ignored: files are in memory");
    fd_allocate(fd: u32, offset: u64, len: u64) = preview1::fd_allocate, Partial("extends the file without reserving space");
    fd_close(fd: u32) = preview1::fd_close, Full;
    fd_datasync(fd: u32) = preview1::fd_sync, Full;
    fd_fdstat_get(fd: u32, out: u32) = preview1::fd_fdstat_get, Full;
    fd_fdstat_set_flags(fd: u32, flags: u32) = preview1::fd_fdstat_set_flags, Full;
    fd_fdstat_set_rights(fd: u32, base: u64, inheriting: u64) = preview1::fd_fdstat_set_rights, Partial("checks the descriptor; rights follow how it was opened");
    fd_filestat_get(fd: u32, out: u32) = preview1::fd_filestat_get_old, Full;
    fd_filestat_set_size(fd: u32, size: u64) = preview1::fd_filestat_set_size, Full;
    fd_filestat_set_times(fd: u32, atim: u64, mtim: u64, flags: u32) = preview1::fd_filestat_set_times, Full;
    fd_pread(fd: u32, iovs: u32, count: u32, offset: u64, out: u32) = preview1::fd_pread, Full;
    fd_prestat_get(fd: u32, out: u32) = preview1::fd_prestat_get, Full;
    fd_prestat_dir_name(fd: u32, path: u32, len: u32) = preview1::fd_prestat_dir_name, Full;
    fd_pwrite(fd: u32, iovs: u32, count: u32, offset: u64, out: u32) = preview1::fd_pwrite, Full;
    fd_read(fd: u32, iovs: u32, count: u32, out: u32) = preview1::fd_read, Full;
    fd_readdir(fd: u32, buf: u32, len: u32, cookie: u64, out: u32) = preview1::fd_readdir, Full;
    fd_renumber(fd: u32, to: u32) = preview1::fd_renumber, Full;
    fd_seek(fd: u32, offset: i64, whence: u32, out: u32) = preview1::fd_seek_old, Full;
    fd_sync(fd: u32) = preview1::fd_sync, Full;
    fd_tell(fd: u32, out: u32) = preview1::fd_tell, Full;
    fd_write(fd: u32, iovs: u32, count: u32, out: u32) = preview1::fd_write, Full;
    path_create_directory(fd: u32, path: u32, len: u32) = preview1::path_create_directory, Full;
    path_filestat_get(fd: u32, flags: u32, path: u32, len: u32, out: u32) = preview1::path_filestat_get_old, Full;
    path_filestat_set_times(fd: u32, flags: u32, path: u32, len: u32, atim: u64, mtim: u64, fst: u32) = preview1::path_filestat_set_times, Full;
    path_link(fd: u32, flags: u32, path: u32, len: u32, to: u32, new: u32, new_len: u32) = preview1::path_link, Full;
    path_open(fd: u32, lookup: u32, path: u32, len: u32, oflags: u32, base: u64, inheriting: u64, fdflags: u32, out: u32) = preview1::path_open, Full;
    path_readlink(fd: u32, path: u32, len: u32, buf: u32, buf_len: u32, out: u32) = preview1::path_readlink, Full;
    path_remove_directory(fd: u32, path: u32, len: u32) = preview1::path_remove_directory, Full;
    path_rename(fd: u32, path: u32, len: u32, to: u32, new: u32, new_len: u32) = preview1::path_rename, Full;
    path_symlink(target: u32, target_len: u32, fd: u32, path: u32, len: u32) = preview1::path_symlink, Full;
    path_unlink_file(fd: u32, path: u32, len: u32) = preview1::path_unlink_file, Full;
    poll_oneoff(subscriptions: u32, events: u32, count: u32, out: u32) = preview1::poll_oneoff_old, Full;
    proc_exit(code: u32) = preview1::proc_exit, Full;
    proc_raise(signal: u32) = preview1::proc_raise, Full;
    sched_yield() = preview1::sched_yield, Full;
    random_get(buf: u32, len: u32) = preview1::random_get, Full;
    sock_recv(fd: u32, iovs: u32, count: u32, flags: u32, out: u32, out_flags: u32) = net::sock_recv, Full;
    sock_send(fd: u32, iovs: u32, count: u32, flags: u32, out: u32) = net::sock_send, Full;
    sock_shutdown(fd: u32, how: u32) = net::sock_shutdown, Full;

    "host_process":
    proc_spawn(argv: u32, argv_len: u32, env: u32, env_len: u32, stdin: u32, stdout: u32, stderr: u32, cwd: u32, cwd_len: u32, out: u32) = spawn::proc_spawn, Full;
    proc_spawn_v2(cmd: u32, cmd_len: u32, argv: u32, argv_len: u32, env: u32, env_len: u32, stdin: u32, stdout: u32, stderr: u32, cwd: u32, cwd_len: u32, out: u32) = spawn::proc_spawn_v2, Full;
    proc_spawn_v3(cmd: u32, cmd_len: u32, argv: u32, argv_len: u32, env: u32, env_len: u32, actions: u32, actions_len: u32, cwd: u32, cwd_len: u32, flags: u32, default_lo: u32, default_hi: u32, mask_lo: u32, mask_hi: u32, group: u32, out: u32) = spawn::proc_spawn_v3, Full;
    proc_exec(path: u32, path_len: u32, argv: u32, argv_len: u32, env: u32, env_len: u32, close: u32, count: u32) = spawn::proc_exec, Full;
    proc_fexec(fd: u32, argv: u32, argv_len: u32, env: u32, env_len: u32, close: u32, count: u32) = spawn::proc_fexec, Full;
    proc_waitpid(pid: u32, options: u32, out_status: u32, out_pid: u32) = process::proc_waitpid, Full;
    proc_waitpid_v2(pid: u32, options: u32, out_exit: u32, out_signal: u32, out_pid: u32, out_core: u32) = process::proc_waitpid_v2, Full;
    proc_waitpid_v3(pid: u32, options: u32, out_status: u32, out_pid: u32) = process::proc_waitpid_v3, Full;
    proc_kill(pid: u32, signal: u32) = process::proc_kill, Full;
    proc_getpid(out: u32) = process::proc_getpid, Full;
    proc_getppid(out: u32) = process::proc_getppid, Full;
    proc_getrlimit(resource: u32, soft: u32, hard: u32) = process::proc_getrlimit, Full;
    proc_setrlimit(resource: u32, soft: u64, hard: u64) = process::proc_setrlimit, Full;
    proc_umask(mask: u32, out: u32) = process::proc_umask, Full;
    umask(mask: u32, set: u32, out: u32) = process::umask, Full;
    proc_itimer_real(op: u32, value: u64, interval: u64, out_left: u32, out_interval: u32) = process::proc_itimer_real, Full;
    proc_getpgid(pid: u32, out: u32) = process::proc_getpgid, Full;
    proc_setpgid(pid: u32, group: u32) = process::proc_setpgid, Full;
    fd_pipe(out_read: u32, out_write: u32) = process::fd_pipe, Full;
    fd_dup(fd: u32, out: u32) = process::fd_dup, Full;
    fd_dup2(fd: u32, to: u32) = process::fd_dup2, Full;
    fd_dup_min(fd: u32, from: u32, out: u32) = process::fd_dup_min, Full;
    fd_getfd(fd: u32, out: u32) = process::fd_getfd, Full;
    fd_setfd(fd: u32, flags: u32) = process::fd_setfd, Full;
    fd_flock(fd: u32, op: u32) = lock::fd_flock, Full;
    fd_record_lock(fd: u32, cmd: u32, kind: u32, start: u64, len: u64, out_kind: u32, out_pid: u32, out_start: u32, out_len: u32) = lock::fd_record_lock, Full;
    proc_closefrom(from: u32) = process::proc_closefrom, Full;
    fd_socketpair(kind: u32, nonblock: u32, cloexec: u32, out_a: u32, out_b: u32) = net::fd_socketpair, Full;
    fd_sendmsg_rights(fd: u32, data: u32, len: u32, rights: u32, count: u32, flags: u32, out: u32) = net::fd_sendmsg_rights, Full;
    fd_recvmsg_rights(fd: u32, data: u32, cap: u32, rights: u32, rights_cap: u32, flags: u32, out: u32, out_rights: u32, out_flags: u32) = net::fd_recvmsg_rights, Full;
    sleep_ms(ms: u32) = process::sleep_ms, Full;
    proc_sigaction(signal: u32, action: u32, mask_lo: u32, mask_hi: u32, flags: u32) = process::proc_sigaction, Full;
    pty_open(out_master: u32, out_slave: u32) = tty::pty_open, Full;
    proc_signal_mask_v2(how: u32, lo: u32, hi: u32, out_lo: u32, out_hi: u32) = process::proc_signal_mask_v2, Full;
    proc_ppoll_v1(fds: u32, count: u32, sec: i64, nsec: i64, mask_lo: u32, mask_hi: u32, has_mask: u32, out: u32) = process::proc_ppoll_v1, Full;

    "host_net":
    net_socket(domain: u32, kind: u32, protocol: u32, out: u32) = net::net_socket, Full;
    net_connect(fd: u32, addr: u32, len: u32) = net::net_connect, Full;
    net_bind(fd: u32, addr: u32, len: u32) = net::net_bind, Full;
    net_listen(fd: u32, backlog: u32) = net::net_listen, Full;
    net_accept(fd: u32, out: u32, addr: u32, len: u32) = net::net_accept, Full;
    net_validate_socket(fd: u32) = net::net_validate, Full;
    net_validate_accept(fd: u32) = net::net_validate, Full;
    net_getsockname(fd: u32, out: u32, len: u32) = net::net_getsockname, Full;
    net_getpeername(fd: u32, out: u32, len: u32) = net::net_getpeername, Full;
    net_send(fd: u32, buf: u32, len: u32, flags: u32, out: u32) = net::net_send, Full;
    net_recv(fd: u32, buf: u32, len: u32, flags: u32, out: u32) = net::net_recv, Full;
    net_sendto(fd: u32, buf: u32, len: u32, flags: u32, addr: u32, addr_len: u32, out: u32) = net::net_sendto, DATAGRAMS;
    net_recvfrom(fd: u32, buf: u32, len: u32, flags: u32, out: u32, addr: u32, addr_len: u32) = net::net_recvfrom, Full;
    net_setsockopt(fd: u32, level: u32, name: u32, value: u32, len: u32) = net::net_setsockopt, Full;
    net_getsockopt(fd: u32, level: u32, name: u32, value: u32, len: u32) = net::net_getsockopt, Full;
    net_getaddrinfo(host: u32, host_len: u32, service: u32, service_len: u32, family: u32, out: u32, len: u32) = net::net_getaddrinfo, Full;
    net_dns_query_rr_v1(name: u32, len: u32, record: u32, out: u32, cap: u32, out_len: u32, out_ttl: u32, out_flags: u32) = net::net_dns_query, Refused("addresses alone are looked up outside: EACCES with an event where the policy denies the name, else EHOSTUNREACH");
    net_poll(fds: u32, count: u32, timeout: u32, out: u32) = net::net_poll, Full;
    net_close(fd: u32) = preview1::fd_close, Full;
    net_set_nonblock(fd: u32, on: u32) = net::net_set_nonblock, Full;
    net_tls_connect(fd: u32, host: u32, len: u32) = net::net_tls_connect, Refused("programs speak TLS themselves: ENOTCONN, or EOPNOTSUPP on a connection");

    "host_user":
    getuid(out: u32) = user::getuid, Full;
    getgid(out: u32) = user::getgid, Full;
    geteuid(out: u32) = user::geteuid, Full;
    getegid(out: u32) = user::getegid, Full;
    getresuid(real: u32, effective: u32, saved: u32) = user::getresuid, Full;
    getresgid(real: u32, effective: u32, saved: u32) = user::getresgid, Full;
    setuid(uid: u32) = user::setuid, Full;
    seteuid(uid: u32) = user::seteuid, Full;
    setgid(gid: u32) = user::setgid, Full;
    setegid(gid: u32) = user::setegid, Full;
    setreuid(real: u32, effective: u32) = user::setreuid, Full;
    setregid(real: u32, effective: u32) = user::setregid, Full;
    setresuid(real: u32, effective: u32, saved: u32) = user::setresuid, Full;
    setresgid(real: u32, effective: u32, saved: u32) = user::setresgid, Full;
    getgroups(cap: u32, out: u32, count: u32) = user::getgroups, Full;
    setgroups(count: u32, list: u32) = user::setgroups, Full;
    getpwuid(uid: u32, buf: u32, cap: u32, out: u32) = user::getpwuid, Full;
    getpwnam(name: u32, len: u32, buf: u32, cap: u32, out: u32) = user::getpwnam, Full;
    getpwent(index: u32, buf: u32, cap: u32, out: u32) = user::getpwent, Full;
    getgrgid(gid: u32, buf: u32, cap: u32, out: u32) = user::getgrgid, Full;
    getgrnam(name: u32, len: u32, buf: u32, cap: u32, out: u32) = user::getgrnam, Full;
    getgrent(index: u32, buf: u32, cap: u32, out: u32) = user::getgrent, Full;
    isatty(fd: u32, out: u32) = user::isatty, Full;

    "host_tty":
    read(buf: u32, cap: u32, timeout: u32) = tty::read, Full;
    isatty(fd: u32) = tty::isatty, Full;
    get_size(fd: u32, cols: u32, rows: u32) = tty::get_size, Full;
    set_size(fd: u32, cols: u32, rows: u32) = tty::set_size, Full;
    set_raw_mode(on: u32) = tty::set_raw_mode, Full;
    get_attr(fd: u32, flags: u32, cc: u32) = tty::get_attr, Full;
    set_attr(fd: u32, flags: u32, cc: u32) = tty::set_attr, Full;
    get_pgrp(fd: u32, out: u32) = tty::get_pgrp, Full;
    set_pgrp(fd: u32, group: u32) = tty::set_pgrp, Full;
    get_sid(fd: u32, out: u32) = tty::get_sid, Full;

    "host_system":
    get_identity(field: u32, buf: u32, cap: u32) = user::get_identity, Full;

    "host_fs":
    set_open_mode(mode: u32) = fs::set_open_mode, Full;
    set_open_direct(on: u32) = fs::set_open_direct, Partial("accepted: files are in memory, there is no cache to pass by");
    path_mode(fd: u32, path: u32, len: u32, follow: u32) = fs::path_mode, Full;
    path_size(fd: u32, path: u32, len: u32, follow: u32) = fs::path_size, Full;
    path_blocks(fd: u32, path: u32, len: u32, follow: u32) = fs::path_blocks, Full;
    path_rdev(fd: u32, path: u32, len: u32, follow: u32) = fs::path_rdev, Full;
    fd_mode(fd: u32) = fs::fd_mode, Full;
    fd_size(fd: u32) = fs::fd_size, Full;
    fd_blocks(fd: u32) = fs::fd_blocks, Full;
    path_owner(fd: u32, path: u32, len: u32, follow: u32, uid: u32, gid: u32) = fs::path_owner, Full;
    fd_owner(fd: u32, uid: u32, gid: u32) = fs::fd_owner, Full;
    chmod(fd: u32, path: u32, len: u32, mode: u32) = fs::chmod, Full;
    fchmod(fd: u32, mode: u32) = fs::fchmod, Full;
    path_chown(fd: u32, path: u32, len: u32, uid: u32, gid: u32, follow: u32) = fs::path_chown, Full;
    chown(fd: u32, path: u32, len: u32, uid: u32, gid: u32, follow: u32) = fs::path_chown, Full;
    fd_chown(fd: u32, uid: u32, gid: u32) = fs::fd_chown, Full;
    fchown(fd: u32, uid: u32, gid: u32) = fs::fd_chown, Full;
    ftruncate(fd: u32, len: u64) = preview1::fd_filestat_set_size, Full;
    path_access(fd: u32, path: u32, len: u32, mode: u32, effective: u32) = fs::path_access, Full;
    open_tmpfile(fd: u32, path: u32, len: u32, flags: u32, mode: u32, out: u32) = fs::open_tmpfile, Full;
    fd_link(fd: u32, to: u32, path: u32, len: u32) = fs::fd_link, Full;
    path_mknod(fd: u32, path: u32, len: u32, mode: u32, dev: u64) = fs::path_mknod, Full;
    path_renameat2(fd: u32, path: u32, len: u32, to: u32, new: u32, new_len: u32, flags: u32) = fs::path_renameat2, Full;
    path_statfs(fd: u32, path: u32, len: u32, total: u32, used: u32, free: u32, inodes: u32, inodes_free: u32) = fs::path_statfs, Full;
    remount(path: u32, len: u32, options: u32, options_len: u32) = fs::remount, Partial("`ro` and `rw` only, root only, and never looser than the operator mounted");
    fd_fiemap(fd: u32, index: u32, start: u32, end: u32, flags: u32) = fs::fd_fiemap, Partial("holes are as coarse as 64 KiB; no extent is unwritten");
    fd_punch_hole(fd: u32, offset: u64, len: u64) = fs::fd_punch_hole, Full;
    fd_zero_range(fd: u32, offset: u64, len: u64, keep_size: u32) = fs::fd_zero_range, Full;
    fd_insert_range(fd: u32, offset: u64, len: u64) = fs::unsupported_range, Refused("files cannot be shifted: EOPNOTSUPP, as on most file systems");
    fd_collapse_range(fd: u32, offset: u64, len: u64) = fs::unsupported_range, Refused("files cannot be shifted: EOPNOTSUPP, as on most file systems");
    path_getxattr(fd: u32, path: u32, len: u32, name: u32, name_len: u32, value: u32, cap: u32, follow: u32, out: u32) = fs::path_getxattr, Full;
    path_listxattr(fd: u32, path: u32, len: u32, list: u32, cap: u32, follow: u32, out: u32) = fs::path_listxattr, Full;
    path_setxattr(fd: u32, path: u32, len: u32, name: u32, name_len: u32, value: u32, value_len: u32, flags: u32, follow: u32) = fs::path_setxattr, Full;
    path_removexattr(fd: u32, path: u32, len: u32, name: u32, name_len: u32, follow: u32) = fs::path_removexattr, Full;
    fd_getxattr(fd: u32, name: u32, name_len: u32, value: u32, cap: u32, out: u32) = fs::fd_getxattr, Full;
    fd_listxattr(fd: u32, list: u32, cap: u32, out: u32) = fs::fd_listxattr, Full;
    fd_setxattr(fd: u32, name: u32, name_len: u32, value: u32, value_len: u32, flags: u32) = fs::fd_setxattr, Full;
    fd_removexattr(fd: u32, name: u32, name_len: u32) = fs::fd_removexattr, Full;
}

/// proc_spawn_v4 has 21 arguments, more than the engine's typed interface takes.
pub const SPAWN_V4: Function = Function { module: "host_process", name: "proc_spawn_v4", support: Full };

fn link_spawn_v4(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    let ty = FuncType::new(linker.engine(), [const { ValType::I32 }; 21], [ValType::I32]);
    linker.func_new_async(SPAWN_V4.module, SPAWN_V4.name, ty, |caller, args, results| {
        Box::new(async move {
            let mut words = [0u32; 21];
            for (word, arg) in words.iter_mut().zip(args) {
                *word = arg.i32().unwrap_or_default() as u32;
            }
            let mut cx = Cx::enter(caller).await?;
            let answer = spawn::proc_spawn_v4(&mut cx, &words).await;
            results[0] = Val::I32(cx.leave(answer).await?);
            Ok(())
        })
    })?;
    Ok(())
}

/// Checks that a module is a command this table can run: `_start`, `memory`, and only functions of the table.
///
/// # Errors
/// `ENOEXEC`, naming what is missing.
pub fn check(module: &Module) -> Result<(), LoadError> {
    let refuse = |reason: String| Err(LoadError::new(Errno::ENOEXEC, reason));
    for import in module.imports() {
        let known = FUNCTIONS
            .iter()
            .chain([&SPAWN_V4])
            .any(|function| function.module == import.module() && function.name == import.name());
        if !known {
            return refuse(format!("imports `{}.{}`, which this host does not have", import.module(), import.name()));
        }
    }
    match module.get_export("_start") {
        Some(ExternType::Func(ty)) if ty.params().len() == 0 && ty.results().len() == 0 => {}
        Some(_) => return refuse("exports a `_start` that is no function without arguments and results".to_owned()),
        None => return refuse("exports no `_start`: it is a library, not a command".to_owned()),
    }
    match module.get_export("memory") {
        Some(ExternType::Memory(_)) => Ok(()),
        _ => refuse("exports no `memory`".to_owned()),
    }
}

#[cfg(test)]
mod tests;
