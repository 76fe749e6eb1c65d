/* POSIX over the host ABI for programs built with a plain wasi-libc: what that libc lacks, or answers itself.
 *
 * Every import returns a WASI errno, which is what wasi-libc's <errno.h> has, so a wrapper is one line. Paths do not
 * go through wasi-libc's scan of preopened directories, which would take descriptors 3 and 4: they are relative to the
 * ABI's own numbers for the working directory and the root. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <wasi/api.h>
#undef open

/* ---- the beginning
 *
 * Instead of the libc's: where that does not call the constructors itself, the linker wraps every export in a call of
 * them, so that each signal would run them again, and leak what they allocate. */

void __wasm_call_ctors(void);
int __main_void(void);

void _start(void) {
    __wasm_call_ctors();
    exit(__main_void());
}

typedef unsigned u32;
typedef unsigned long long u64;
#define HOST(module, name, ...) \
    extern int module##_##name(__VA_ARGS__) __attribute__((import_module(#module), import_name(#name)))

static int done(int error) {
    if (error == 0) return 0;
    errno = error;
    return -1;
}

/* ---- paths: the working directory is libc's, the kernel's own one is where the program began */

#define PREOPENED_CWD 0x40000003
#define PREOPENED_ROOT 0x40000004
static char cwd[4096];

int __wasilibc_register_preopened_fd(int fd, const char *prefix) { return 0; }

int __wasilibc_find_abspath(const char *path, const char **prefix, const char **relative) {
    while (*path == '/') path++;
    *prefix = "";
    *relative = *path ? path : ".";
    return PREOPENED_ROOT;
}

int __wasilibc_find_relpath(const char *path, const char **prefix, char **relative, size_t room) {
    static char joined[8192];
    if (*path == '/') return __wasilibc_find_abspath(path, prefix, (const char **)relative);
    if (cwd[0] == 0 || *path == 0) {
        *prefix = "";
        *relative = (char *)path;
        return PREOPENED_CWD;
    }
    snprintf(joined, sizeof joined, "%s/%s", cwd, path);
    return __wasilibc_find_abspath(joined, prefix, (const char **)relative);
}

int __wasilibc_find_relpath_alloc(const char *path, const char **prefix, char **relative, size_t *room, int grow) {
    return __wasilibc_find_relpath(path, prefix, relative, *room);
}

char *getcwd(char *buf, size_t size) {
    const char *now = cwd[0] ? cwd : getenv("PWD");
    if (strlen(now) >= size) {
        errno = ERANGE;
        return NULL;
    }
    return strcpy(buf, now);
}

int chdir(const char *path) {
    char next[4096];
    struct stat found;
    if (stat(path, &found) != 0) return -1;
    if (!S_ISDIR(found.st_mode)) return done(ENOTDIR);
    if (access(path, X_OK) != 0) return -1;
    if (*path == '/') snprintf(next, sizeof next, "%s", path);
    else {
        char before[4096];
        snprintf(next, sizeof next, "%s/%s", getcwd(before, sizeof before), path);
    }
    strcpy(cwd, next);
    return 0;
}

/* ---- descriptors */

HOST(host_process, fd_pipe, u32 *, u32 *);
HOST(host_process, fd_dup, int, u32 *);
HOST(host_process, fd_dup2, int, int);
HOST(host_process, fd_dup_min, int, int, u32 *);
HOST(host_process, fd_getfd, int, u32 *);
HOST(host_process, fd_setfd, int, u32);
HOST(host_process, fd_flock, int, u32);
HOST(host_process, fd_record_lock, int, u32, u32, u64, u64, u32 *, u32 *, u64 *, u64 *);
HOST(host_net, net_set_nonblock, int, u32);
HOST(host_net, net_poll, struct pollfd *, u32, int, u32 *);
HOST(host_process, proc_ppoll_v1, struct pollfd *, u32, long long, long long, u32, u32, u32, u32 *);
HOST(host_fs, set_open_mode, u32);

int warren_open(const char *path, int flags, ...) {
    mode_t mode = 0;
    if (flags & O_CREAT) {
        va_list rest;
        va_start(rest, flags);
        mode = va_arg(rest, mode_t);
        va_end(rest);
        host_fs_set_open_mode(mode);
    }
    int fd = open(path, flags & ~(O_CLOEXEC | O_NOCTTY));
    if (fd >= 0 && flags & O_CLOEXEC) host_process_fd_setfd(fd, FD_CLOEXEC);
    return fd;
}

int pipe2(int ends[2], int flags) {
    u32 reader, writer;
    if (flags & ~(O_CLOEXEC | O_NONBLOCK)) return done(EINVAL);
    if (done(host_process_fd_pipe(&reader, &writer)) != 0) return -1;
    ends[0] = reader, ends[1] = writer;
    for (int i = 0; i < 2; i++) {
        if (flags & O_CLOEXEC) host_process_fd_setfd(ends[i], FD_CLOEXEC);
        if (flags & O_NONBLOCK) host_net_net_set_nonblock(ends[i], 1);
    }
    return 0;
}

int pipe(int ends[2]) { return pipe2(ends, 0); }

int dup(int fd) {
    u32 new;
    return done(host_process_fd_dup(fd, &new)) ?: (int)new;
}

int dup2(int fd, int to) { return done(host_process_fd_dup2(fd, to)) ?: to; }

int dup3(int fd, int to, int flags) {
    if (fd == to || flags & ~O_CLOEXEC) return done(EINVAL);
    if (dup2(fd, to) < 0) return -1;
    return flags ? done(host_process_fd_setfd(to, FD_CLOEXEC)) ?: to : to;
}

static int get_status(int fd) {
    __wasi_fdstat_t stat;
    if (done(__wasi_fd_fdstat_get(fd, &stat)) != 0) return -1;
    int reads = (stat.fs_rights_base & (__WASI_RIGHTS_FD_READ | __WASI_RIGHTS_FD_READDIR)) != 0;
    int writes = (stat.fs_rights_base & __WASI_RIGHTS_FD_WRITE) != 0;
    return stat.fs_flags | (reads ? O_RDONLY : 0) | (writes ? O_WRONLY : 0);
}

static int record_lock(int fd, int command, struct flock *lock) {
    off_t start = lock->l_start, len = lock->l_len;
    struct stat found;
    if (lock->l_whence == SEEK_CUR) {
        off_t now = (lseek)(fd, 0, SEEK_CUR);
        if (now < 0) return -1;
        start += now;
    } else if (lock->l_whence == SEEK_END) {
        if (fstat(fd, &found) != 0) return -1;
        start += found.st_size;
    } else if (lock->l_whence != SEEK_SET) return done(EINVAL);
    if (len < 0) start += len, len = -len;
    if (start < 0) return done(EINVAL);
    u32 type = lock->l_type, pid = 0;
    u64 from = start, bytes = len;
    if (done(host_process_fd_record_lock(fd, command, type, from, bytes, &type, &pid, &from, &bytes)) != 0) return -1;
    if (command == F_GETLK) {
        lock->l_type = type;
        if (type == F_UNLCK) return 0;
        lock->l_whence = SEEK_SET, lock->l_start = from, lock->l_len = bytes, lock->l_pid = pid;
    }
    return 0;
}

int fcntl(int fd, int command, ...) {
    va_list rest;
    va_start(rest, command);
    void *pointer = va_arg(rest, void *);
    va_end(rest);
    u32 value = (u32)(unsigned long)pointer, out;
    switch (command) {
    case F_DUPFD:
        return done(host_process_fd_dup_min(fd, value, &out)) ?: (int)out;
    case F_DUPFD_CLOEXEC:
        if (done(host_process_fd_dup_min(fd, value, &out)) != 0) return -1;
        return done(host_process_fd_setfd(out, FD_CLOEXEC)) ?: (int)out;
    case F_GETFD: return done(host_process_fd_getfd(fd, &out)) ?: (int)out;
    case F_SETFD: return done(host_process_fd_setfd(fd, value));
    case F_GETFL: return get_status(fd);
    case F_SETFL: return done(__wasi_fd_fdstat_set_flags(fd, value & (O_APPEND | O_NONBLOCK)));
    case F_GETLK:
    case F_SETLK:
    case F_SETLKW: return record_lock(fd, command, pointer);
    default: return done(EINVAL);
    }
}

int flock(int fd, int operation) { return done(host_process_fd_flock(fd, operation)); }

int poll(struct pollfd *fds, nfds_t count, int timeout) {
    u32 ready;
    return done(host_net_net_poll(fds, count, timeout, &ready)) ?: (int)ready;
}

int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask) {
    u32 ready;
    long long sec = timeout ? timeout->tv_sec : -1, nsec = timeout ? timeout->tv_nsec : -1;
    sigset_t set = mask ? *mask : 0;
    return done(host_process_proc_ppoll_v1(fds, count, sec, nsec, (u32)set, (u32)(set >> 32), mask != NULL, &ready)) ?: (int)ready;
}

/* ---- signals */

HOST(host_process, proc_kill, int, u32);
HOST(host_process, proc_sigaction, u32, u32, u32, u32, u32);
HOST(host_process, proc_signal_mask_v2, u32, u32, u32, u32 *, u32 *);
HOST(host_process, proc_itimer_real, u32, u64, u64, u64 *, u64 *);

static struct sigaction actions[NSIG];

__attribute__((export_name("__wasi_signal_trampoline"))) void warren_signal_trampoline(int signal) {
    sighandler_t handler = actions[signal].sa_handler;
    if (actions[signal].sa_flags & (int)SA_RESETHAND) actions[signal].sa_handler = SIG_DFL;
    if (handler != SIG_DFL && handler != SIG_IGN) handler(signal);
}

__attribute__((export_name("__agentos_set_initial_sigmask"))) void warren_set_initial_sigmask(u32 lo, u32 hi) {}

int sigaction(int signal, const struct sigaction *new, struct sigaction *old) {
    if (signal < 1 || signal >= NSIG) return done(EINVAL);
    struct sigaction before = actions[signal];
    if (new) {
        u32 action = new->sa_handler == SIG_DFL ? 0 : new->sa_handler == SIG_IGN ? 1 : 2;
        struct sigaction next = *new;
        /* The handler is there before a signal can come. */
        actions[signal] = next;
        u32 lo = (u32)next.sa_mask, hi = (u32)(next.sa_mask >> 32);
        int error = host_process_proc_sigaction(signal, action, lo, hi, next.sa_flags);
        if (error) {
            actions[signal] = before;
            return done(error);
        }
    }
    if (old) *old = before;
    return 0;
}

sighandler_t signal(int signal, sighandler_t handler) {
    struct sigaction new = {handler, 0, SA_RESTART}, old;
    return sigaction(signal, &new, &old) == 0 ? old.sa_handler : SIG_ERR;
}

int kill(pid_t pid, int signal) { return done(host_process_proc_kill(pid, signal)); }
int killpg(pid_t group, int signal) { return group < 0 ? done(EINVAL) : kill(group ? -group : 0, signal); }
int raise(int signal) { return kill(getpid(), signal); }

int sigprocmask(int how, const sigset_t *set, sigset_t *old) {
    u32 lo, hi;
    sigset_t new = set ? *set : 0;
    if (set && (how < 0 || how > 2)) return done(EINVAL);
    if (done(host_process_proc_signal_mask_v2(set ? how : 3, (u32)new, (u32)(new >> 32), &lo, &hi)) != 0) return -1;
    if (old) *old = (sigset_t)hi << 32 | lo;
    return 0;
}

int sigsuspend(const sigset_t *mask) { return ppoll(NULL, 0, NULL, mask); }

int pause(void) { return ppoll(NULL, 0, NULL, NULL); }

static sigset_t bit(int signal) { return 1ull << (signal - 1); }
int sigemptyset(sigset_t *set) { return *set = 0, 0; }
int sigfillset(sigset_t *set) { return *set = ~0ull, 0; }
int sigaddset(sigset_t *set, int signal) { return *set |= bit(signal), 0; }
int sigdelset(sigset_t *set, int signal) { return *set &= ~bit(signal), 0; }
int sigismember(const sigset_t *set, int signal) { return (*set & bit(signal)) != 0; }

static u64 micros(struct timeval time) { return time.tv_sec * 1000000ull + time.tv_usec; }
static struct timeval timeval(u64 micros) { return (struct timeval){micros / 1000000, micros % 1000000}; }

static int itimer(int op, const struct itimerval *new, struct itimerval *old) {
    u64 left, interval;
    u64 value = new ? micros(new->it_value) : 0, every = new ? micros(new->it_interval) : 0;
    if (done(host_process_proc_itimer_real(op, value, every, &left, &interval)) != 0) return -1;
    if (old) *old = (struct itimerval){timeval(interval), timeval(left)};
    return 0;
}

static int valid_time(struct timeval time) { return time.tv_sec >= 0 && time.tv_usec >= 0 && time.tv_usec < 1000000; }

int getitimer(int which, struct itimerval *now) { return which == ITIMER_REAL ? itimer(0, NULL, now) : done(EINVAL); }

int setitimer(int which, const struct itimerval *new, struct itimerval *old) {
    if (which != ITIMER_REAL || !valid_time(new->it_value) || !valid_time(new->it_interval)) return done(EINVAL);
    return itimer(1, new, old);
}

unsigned alarm(unsigned seconds) {
    struct itimerval new = {{0, 0}, {seconds, 0}}, old = {0};
    itimer(1, &new, &old);
    return old.it_value.tv_sec + (old.it_value.tv_usec >= 500000 || (old.it_value.tv_usec && !old.it_value.tv_sec));
}

/* ---- processes */

HOST(host_process, proc_waitpid_v3, int, u32, u32 *, u32 *);
HOST(host_process, proc_getpid, u32 *);
HOST(host_process, proc_getppid, u32 *);
HOST(host_process, proc_getpgid, int, u32 *);
HOST(host_process, proc_setpgid, int, int);
HOST(host_process, proc_exec, const char *, u32, const void *, u32, const void *, u32, const u32 *, u32);
HOST(host_process, proc_umask, u32, u32 *);
HOST(host_process, proc_getrlimit, u32, u64 *, u64 *);
HOST(host_process, proc_setrlimit, u32, u64, u64);
HOST(host_process, proc_spawn_v4, const char *, u32, const void *, u32, const void *, u32, const void *, u32, const char *,
     u32, const char *, u32, u32, u32, u32, u32, u32, int, u32, u32, u32 *);

pid_t waitpid(pid_t pid, int *status, int options) {
    u32 raw = 0, who = 0;
    if (done(host_process_proc_waitpid_v3(pid, options, &raw, &who)) != 0) return -1;
    if (status && who) *status = raw;
    return who;
}

pid_t wait(int *status) { return waitpid(-1, status, 0); }

#define NUMBER(name, call) \
    name { \
        u32 out = 0; \
        return done(call) ?: (int)out; \
    }
NUMBER(pid_t getpid(void), host_process_proc_getpid(&out))
NUMBER(pid_t getppid(void), host_process_proc_getppid(&out))
NUMBER(pid_t getpgid(pid_t pid), host_process_proc_getpgid(pid, &out))
NUMBER(mode_t umask(mode_t mask), host_process_proc_umask(mask, &out))
pid_t getpgrp(void) { return getpgid(0); }
int setpgid(pid_t pid, pid_t group) { return done(host_process_proc_setpgid(pid, group)); }
int getrlimit(int what, struct rlimit *out) { return done(host_process_proc_getrlimit(what, &out->rlim_cur, &out->rlim_max)); }
int setrlimit(int what, const struct rlimit *in) { return done(host_process_proc_setrlimit(what, in->rlim_cur, in->rlim_max)); }

/* A list of strings as the ABI takes it: each ended by a NUL. */
static unsigned pack(char *to, unsigned room, char *const list[]) {
    unsigned len = 0;
    for (; *list; list++) {
        unsigned bytes = strlen(*list) + 1;
        if (len + bytes > room) abort();
        memcpy(to + len, *list, bytes);
        len += bytes;
    }
    return len;
}

static char packed_arguments[65536], packed_environment[65536];

int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attributes,
                char *const argv[], char *const envp[]) {
    static const posix_spawnattr_t none;
    const posix_spawnattr_t *a = attributes ? attributes : &none;
    char here[4096];
    u32 argv_len = pack(packed_arguments, sizeof packed_arguments, argv);
    u32 env_len = pack(packed_environment, sizeof packed_environment, envp);
    u32 child = 0;
    getcwd(here, sizeof here);
    int error = host_process_proc_spawn_v4(
        path, strlen(path), packed_arguments, argv_len, packed_environment, env_len, actions ? actions->records : NULL,
        actions ? actions->len : 0, here, strlen(here), NULL, 0, (unsigned short)a->flags, (u32)a->defaults,
        (u32)(a->defaults >> 32), (u32)a->mask, (u32)(a->mask >> 32), a->group, 0, 0, &child);
    if (error == 0 && pid) *pid = child;
    return error;
}

int execve(const char *path, char *const argv[], char *const envp[]) {
    u32 argv_len = pack(packed_arguments, sizeof packed_arguments, argv);
    u32 env_len = pack(packed_environment, sizeof packed_environment, envp);
    char absolute[8192];
    /* The kernel's working directory is not ours after a chdir(). */
    if (*path && *path != '/' && cwd[0]) path = (snprintf(absolute, sizeof absolute, "%s/%s", cwd, path), absolute);
    return done(host_process_proc_exec(path, strlen(path), packed_arguments, argv_len, packed_environment, env_len, NULL, 0));
}

int execv(const char *path, char *const argv[]) { return execve(path, argv, environ); }

int posix_spawnattr_init(posix_spawnattr_t *a) { return *a = (posix_spawnattr_t){0}, 0; }
int posix_spawnattr_destroy(posix_spawnattr_t *a) { return 0; }
int posix_spawnattr_setflags(posix_spawnattr_t *a, short flags) { return a->flags = flags, 0; }
int posix_spawnattr_setpgroup(posix_spawnattr_t *a, pid_t group) { return a->group = group, 0; }
int posix_spawnattr_setsigmask(posix_spawnattr_t *a, const sigset_t *set) { return a->mask = *set, 0; }
int posix_spawnattr_setsigdefault(posix_spawnattr_t *a, const sigset_t *set) { return a->defaults = *set, 0; }
int posix_spawn_file_actions_init(posix_spawn_file_actions_t *actions) { return actions->len = 0, 0; }
int posix_spawn_file_actions_destroy(posix_spawn_file_actions_t *actions) { return 0; }

static int add(posix_spawn_file_actions_t *actions, u32 op, int fd, int from, u32 flags, u32 mode, const char *path) {
    u32 len = path ? strlen(path) : 0, header[6] = {op, fd, from, flags, mode, len};
    if (actions->len + sizeof header + len > sizeof actions->records) return ENOMEM;
    memcpy(actions->records + actions->len, header, sizeof header);
    if (len) memcpy(actions->records + actions->len + sizeof header, path, len);
    actions->len += sizeof header + len;
    return 0;
}

int posix_spawn_file_actions_addclose(posix_spawn_file_actions_t *a, int fd) { return fd < 0 ? EBADF : add(a, 1, fd, 0, 0, 0, NULL); }
int posix_spawn_file_actions_adddup2(posix_spawn_file_actions_t *a, int fd, int to) {
    return fd < 0 || to < 0 ? EBADF : add(a, 2, to, fd, 0, 0, NULL);
}
int posix_spawn_file_actions_addopen(posix_spawn_file_actions_t *a, int fd, const char *path, int flags, mode_t mode) {
    return fd < 0 ? EBADF : add(a, 3, fd, 0, flags & ~(O_CLOEXEC | O_NOCTTY), mode, path);
}
int posix_spawn_file_actions_addchdir_np(posix_spawn_file_actions_t *a, const char *path) { return add(a, 4, 0, 0, 0, 0, path); }
int posix_spawn_file_actions_addfchdir_np(posix_spawn_file_actions_t *a, int fd) { return add(a, 5, fd, 0, 0, 0, NULL); }

/* ---- users and files */

HOST(host_user, getuid, u32 *);
HOST(host_user, geteuid, u32 *);
HOST(host_user, getgid, u32 *);
HOST(host_user, getegid, u32 *);
HOST(host_user, setuid, u32);
HOST(host_user, setgid, u32);
HOST(host_user, isatty, int, u32 *);
HOST(host_fs, chmod, int, const char *, u32, u32);
HOST(host_fs, fchmod, int, u32);
HOST(host_fs, path_chown, int, const char *, u32, u32, u32, u32);
HOST(host_fs, fd_chown, int, u32, u32);
HOST(host_fs, path_mknod, int, const char *, u32, u32, u64);
HOST(host_fs, path_access, int, const char *, u32, u32, u32);
HOST(host_fs, path_mode, int, const char *, u32, u32);
HOST(host_fs, fd_mode, int);

NUMBER(uid_t getuid(void), host_user_getuid(&out))
NUMBER(uid_t geteuid(void), host_user_geteuid(&out))
NUMBER(gid_t getgid(void), host_user_getgid(&out))
NUMBER(gid_t getegid(void), host_user_getegid(&out))
int setuid(uid_t id) { return done(host_user_setuid(id)); }
int setgid(gid_t id) { return done(host_user_setgid(id)); }

int isatty(int fd) {
    u32 out = 0;
    if (done(host_user_isatty(fd, &out)) != 0) return 0;
    if (!out) errno = ENOTTY;
    return out;
}

/* A path as the host_fs functions take it: the directory it is relative to, and what is behind it. */
static int at(const char *path, const char **relative) {
    const char *prefix;
    return __wasilibc_find_relpath(path, &prefix, (char **)relative, 0);
}

#define AT(path, call) \
    const char *rest; \
    int dir = at(path, &rest); \
    return dir < 0 ? -1 : done(call)
int chmod(const char *path, mode_t mode) { AT(path, host_fs_chmod(dir, rest, strlen(rest), mode)); }
int warren_access(const char *path, int mode) {
    u32 bits = (mode & R_OK ? 4 : 0) | (mode & W_OK ? 2 : 0) | (mode & X_OK ? 1 : 0);
    AT(path, host_fs_path_access(dir, rest, strlen(rest), bits, 0));
}
int fchmod(int fd, mode_t mode) { return done(host_fs_fchmod(fd, mode)); }
int chown(const char *path, uid_t user, gid_t group) { AT(path, host_fs_path_chown(dir, rest, strlen(rest), user, group, 1)); }
int fchown(int fd, uid_t user, gid_t group) { return done(host_fs_fd_chown(fd, user, group)); }
int mkfifo(const char *path, mode_t mode) { AT(path, host_fs_path_mknod(dir, rest, strlen(rest), 0010000 | (mode & 07777), 0)); }

/* st_mode with its permission bits, which wasi-libc's stat() does not have; 0 if there is no such file. */
unsigned warren_path_mode(const char *path) {
    const char *rest;
    int dir = at(path, &rest);
    return dir < 0 ? 0 : host_fs_path_mode(dir, rest, strlen(rest), 0);
}
unsigned warren_fd_mode(int fd) { return host_fs_fd_mode(fd); }
