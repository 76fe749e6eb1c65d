/* What every case begins with. The same source is built for Linux with the machine's headers, and for Warren with those
 * in include/ over a plain wasi-libc.
 *
 * There is no fork(): a case starts itself again with a role as first argument. Processes wait for each other by bytes
 * in `line`s, pipes at fixed descriptors, and by waitpid(); never by sleeping. Numbers that differ between machines
 * (errnos, process ids) are printed by name or not at all. */
#ifndef CASE_H
#define CASE_H
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define UNUSED __attribute__((unused))
extern char **environ;

/* One write() a line, so that lines of several processes stay whole. */
UNUSED __attribute__((format(printf, 1, 2))) static void say(const char *format, ...) {
    char text[1024];
    va_list rest;
    int saved = errno;
    va_start(rest, format);
    int len = vsnprintf(text, sizeof text - 1, format, rest);
    va_end(rest);
    text[len++] = '\n';
    if (write(1, text, len) != len) _exit(99);
    errno = saved;
}

UNUSED static const char *error_name(int error) {
#define NAME(e) \
    if (error == e) return #e;
    NAME(E2BIG) NAME(EACCES) NAME(EADDRINUSE) NAME(EADDRNOTAVAIL) NAME(EAFNOSUPPORT) NAME(EAGAIN) NAME(EALREADY) NAME(EBADF)
    NAME(EBUSY) NAME(ECHILD) NAME(ECONNABORTED) NAME(ECONNREFUSED) NAME(ECONNRESET) NAME(EDEADLK) NAME(EDESTADDRREQ) NAME(EDOM)
    NAME(EEXIST) NAME(EFAULT) NAME(EFBIG) NAME(EHOSTUNREACH) NAME(EILSEQ) NAME(EINPROGRESS) NAME(EINTR) NAME(EINVAL) NAME(EIO)
    NAME(EISCONN) NAME(EISDIR) NAME(ELOOP) NAME(EMFILE) NAME(EMLINK) NAME(EMSGSIZE) NAME(ENAMETOOLONG) NAME(ENETUNREACH)
    NAME(ENFILE) NAME(ENOBUFS) NAME(ENODEV) NAME(ENOENT) NAME(ENOEXEC) NAME(ENOLCK) NAME(ENOMEM) NAME(ENOPROTOOPT) NAME(ENOSPC)
    NAME(ENOSYS) NAME(ENOTCONN) NAME(ENOTDIR) NAME(ENOTEMPTY) NAME(ENOTSOCK) NAME(EOPNOTSUPP) NAME(ENOTTY) NAME(ENXIO)
    NAME(EOVERFLOW) NAME(EPERM) NAME(EPIPE) NAME(EPROTO) NAME(EPROTONOSUPPORT) NAME(EPROTOTYPE) NAME(ERANGE) NAME(EROFS)
    NAME(ESPIPE) NAME(ESRCH) NAME(ETIMEDOUT) NAME(ETXTBSY) NAME(EXDEV)
#undef NAME
    return error ? "another error" : "no error";
}

UNUSED static const char *signal_name(int signal) {
    static const char *names[] = {"0",       "SIGHUP",  "SIGINT",  "SIGQUIT", "SIGILL",  "SIGTRAP",   "SIGABRT", "SIGBUS",
                                  "SIGFPE",  "SIGKILL", "SIGUSR1", "SIGSEGV", "SIGUSR2", "SIGPIPE",   "SIGALRM", "SIGTERM",
                                  "16",      "SIGCHLD", "SIGCONT", "SIGSTOP", "SIGTSTP", "SIGTTIN",   "SIGTTOU", "SIGURG",
                                  "SIGXCPU", "SIGXFSZ", "26",      "27",      "SIGWINCH", "SIGIO",    "SIGPWR",  "SIGSYS"};
    return signal >= 0 && signal < 32 ? names[signal] : "another signal";
}

/* Prints a call and the number it gave, or the name of its error. */
#define SHOW(call) show(#call, (errno = 0, (long)(call)))
UNUSED static long show(const char *what, long result) {
    if (result == -1) say("%s: %s", what, error_name(errno));
    else say("%s = %ld", what, result);
    return result;
}

/* The same for a call whose number is nobody's business. */
#define TRY(call) attempt(#call, (errno = 0, (long)(call)))
UNUSED static long attempt(const char *what, long result) {
    say("%s: %s", what, result == -1 ? error_name(errno) : "ok");
    return result;
}

/* What must work for the case to make sense. */
#define MUST(call) must(#call, (errno = 0, (long)(call)))
UNUSED static long must(const char *what, long result) {
    if (result == -1) {
        say("cannot go on, %s: %s", what, error_name(errno));
        exit(98);
    }
    return result;
}

/* Waits for a child and prints what became of it. */
UNUSED static int reap_with(const char *who, pid_t pid, int options) {
    int status = -1;
    pid_t found = waitpid(pid, &status, options);
    if (found == -1) say("%s: %s", who, error_name(errno));
    else if (found == 0) say("%s: nothing yet", who);
    else if (found != pid && pid > 0) say("%s: another process", who);
    else if (WIFEXITED(status)) say("%s: exit %d", who, WEXITSTATUS(status));
    else if (WIFSIGNALED(status)) say("%s: ended by %s", who, signal_name(WTERMSIG(status)));
    else if (WIFSTOPPED(status)) say("%s: stopped by %s", who, signal_name(WSTOPSIG(status)));
    else if (WIFCONTINUED(status)) say("%s: continued", who);
    else say("%s: status %x", who, status);
    return status;
}
UNUSED static int reap(const char *who, pid_t pid) { return reap_with(who, pid, 0); }

/* ---- this program again */

static const char *self_path;
static const char *role_name;

UNUSED static void begin(int argc, char **argv) {
    self_path = argv[0];
    role_name = argc > 1 ? argv[1] : "";
}
UNUSED static int role(const char *name) { return strcmp(role_name, name) == 0; }

UNUSED static pid_t start_with(const char *name, const char *argument, const posix_spawn_file_actions_t *actions,
                               const posix_spawnattr_t *attributes) {
    char *argv[] = {(char *)self_path, (char *)name, (char *)argument, NULL};
    pid_t pid = -1;
    int error = posix_spawn(&pid, self_path, actions, attributes, argv, environ);
    if (error) {
        say("cannot start %s: %s", name, error_name(error));
        exit(97);
    }
    return pid;
}
UNUSED static pid_t start(const char *name) { return start_with(name, NULL, NULL, NULL); }

/* Starts it in a process group: its own if `group` is 0. */
UNUSED static pid_t start_in_group(const char *name, pid_t group) {
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    posix_spawnattr_setpgroup(&attributes, group);
    pid_t pid = start_with(name, NULL, NULL, &attributes);
    posix_spawnattr_destroy(&attributes);
    return pid;
}

/* ---- lines: pipes every process of the case finds at the same numbers */

enum { LINE_BASE = 50 };
UNUSED static int hearing(int line) { return LINE_BASE + 2 * line; }
UNUSED static int telling(int line) { return LINE_BASE + 2 * line + 1; }

UNUSED static void make_line(int line) {
    int ends[2];
    MUST(pipe(ends));
    MUST(dup2(ends[0], hearing(line)));
    MUST(dup2(ends[1], telling(line)));
    close(ends[0]);
    close(ends[1]);
}
UNUSED static void tell(int line) { MUST(write(telling(line), "x", 1)); }
/* Also when signals come in between. 0 at the end of the line. */
UNUSED static int hear(int line) {
    char byte;
    ssize_t n;
    do n = read(hearing(line), &byte, 1);
    while (n == -1 && errno == EINTR);
    MUST(n);
    return n;
}

/* Installs a handler. */
UNUSED static void handle_with(int signal, void (*handler)(int), int flags) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = handler;
    action.sa_flags = flags;
    sigemptyset(&action.sa_mask);
    MUST(sigaction(signal, &action, NULL));
}
UNUSED static sigset_t set_of(int signal) {
    sigset_t set;
    sigemptyset(&set);
    if (signal) sigaddset(&set, signal);
    return set;
}
UNUSED static void block(int signal) {
    sigset_t set = set_of(signal);
    MUST(sigprocmask(SIG_BLOCK, &set, NULL));
}
UNUSED static void unblock(int signal) {
    sigset_t set = set_of(signal);
    MUST(sigprocmask(SIG_UNBLOCK, &set, NULL));
}
/* Waits, with nothing blocked, until a handler has run. */
UNUSED static int await_signal(void) {
    sigset_t none = set_of(0);
    return sigsuspend(&none);
}

/* Sends a signal to a process again and again until it is told on a line to stop: whoever waits is interrupted, however
   late it begins to. */
UNUSED static void pester(pid_t pid, int signal, int line) {
    struct pollfd end = {hearing(line), POLLIN, 0};
    do kill(pid, signal);
    while (poll(&end, 1, 2) == 0);
}

/* Permission bits of a file. */
#ifdef __wasi__
unsigned warren_path_mode(const char *);
UNUSED static unsigned mode_of(const char *path) { return warren_path_mode(path) & 07777; }
#else
UNUSED static unsigned mode_of(const char *path) {
    struct stat found;
    return lstat(path, &found) == 0 ? found.st_mode & 07777 : 0;
}
#endif

UNUSED static struct sockaddr_in inet_address(const char *host, int port) {
    struct sockaddr_in address;
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    inet_pton(AF_INET, host, &address.sin_addr);
    return address;
}
UNUSED static struct sockaddr_un unix_address(const char *path) {
    struct sockaddr_un address;
    memset(&address, 0, sizeof address);
    address.sun_family = AF_UNIX;
    strcpy(address.sun_path, path);
    return address;
}
#define ADDRESS(a) ((struct sockaddr *)&(a))

/* A TCP socket that listens on a free port of 127.0.0.1, and that port. */
UNUSED static int listener(int *port) {
    struct sockaddr_in address = inet_address("127.0.0.1", 0);
    socklen_t len = sizeof address;
    int fd = MUST(socket(AF_INET, SOCK_STREAM, 0));
    MUST(bind(fd, ADDRESS(address), sizeof address));
    MUST(listen(fd, 5));
    MUST(getsockname(fd, ADDRESS(address), &len));
    *port = ntohs(address.sin_port);
    return fd;
}
/* Two connected TCP sockets. */
UNUSED static void tcp_pair(int pair[2]) {
    int port, listening = listener(&port);
    struct sockaddr_in address = inet_address("127.0.0.1", port);
    pair[0] = MUST(socket(AF_INET, SOCK_STREAM, 0));
    MUST(connect(pair[0], ADDRESS(address), sizeof address));
    pair[1] = MUST(accept(listening, NULL, NULL));
    close(listening);
}
/* A UDP socket bound to a free port of 127.0.0.1, and its address. */
UNUSED static int datagram_socket(struct sockaddr_in *address) {
    socklen_t len = sizeof *address;
    int fd = MUST(socket(AF_INET, SOCK_DGRAM, 0));
    *address = inet_address("127.0.0.1", 0);
    MUST(bind(fd, ADDRESS(*address), sizeof *address));
    MUST(getsockname(fd, ADDRESS(*address), &len));
    return fd;
}
/* Sends a text with descriptors, and receives both: how many bytes, with the descriptors in `fds`, how many in `count`
   (on entry the room for them), and the flags of the message. */
UNUSED static int send_fds(int to, const char *text, const int *fds, int count) {
    char control[CMSG_SPACE(64 * sizeof(int))];
    memset(control, 0, sizeof control);
    struct iovec vector = {(void *)text, strlen(text)};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = control,
                             .msg_controllen = CMSG_SPACE(count * sizeof(int))};
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET, head->cmsg_type = SCM_RIGHTS, head->cmsg_len = CMSG_LEN(count * sizeof(int));
    memcpy(CMSG_DATA(head), fds, count * sizeof(int));
    return sendmsg(to, &message, MSG_NOSIGNAL);
}
UNUSED static int receive_fds(int from, char *text, int room, int *fds, int *count, int flags, int *out) {
    char control[CMSG_SPACE(64 * sizeof(int))];
    struct iovec vector = {text, room};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = control,
                             .msg_controllen = *count ? CMSG_LEN(*count * sizeof(int)) : 0};
    *count = 0;
    int n = recvmsg(from, &message, flags);
    if (n < 0) return n;
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    if (head && head->cmsg_type == SCM_RIGHTS) {
        *count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        memcpy(fds, CMSG_DATA(head), *count * sizeof(int));
    }
    *out = message.msg_flags & (MSG_TRUNC | MSG_CTRUNC);
    return n;
}
/* What poll() says at once. */
UNUSED static void look(const char *what, int fd, int events) {
    struct pollfd one = {fd, events, 0};
    int ready = poll(&one, 1, 0);
    say("%s: %d%s%s%s%s%s%s", what, ready, one.revents & POLLIN ? " IN" : "", one.revents & POLLOUT ? " OUT" : "",
        one.revents & POLLERR ? " ERR" : "", one.revents & POLLHUP ? " HUP" : "", one.revents & POLLNVAL ? " NVAL" : "",
        one.revents & POLLRDHUP ? " RDHUP" : "");
}
/* Waits until poll() says any of these. */
UNUSED static void await(int fd, int events) {
    struct pollfd one = {fd, events, 0};
    MUST(poll(&one, 1, -1));
}
UNUSED static int socket_error(int fd) {
    int error = -1;
    socklen_t len = sizeof error;
    MUST(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len));
    return error;
}

/* Bytes in a form that can be printed. */
UNUSED static void show_bytes(const char *what, const char *bytes, int n) {
    char text[900];
    int at = 0;
    for (int i = 0; i < n && at < 880; i++) {
        unsigned char byte = bytes[i];
        if (byte == '\n') at += sprintf(text + at, "\\n");
        else if (byte == '\r') at += sprintf(text + at, "\\r");
        else if (byte < 32 || byte > 126) at += sprintf(text + at, "<%02x>", byte);
        else text[at++] = byte;
    }
    text[at] = 0;
    say("%s: %d [%s]", what, n, text);
}
/* Reads once and shows it. */
UNUSED static int take(const char *what, int fd, int room) {
    char buf[1024];
    int n = read(fd, buf, room);
    if (n < 0) say("%s: %s", what, error_name(errno));
    else show_bytes(what, buf, n);
    return n;
}
/* Reads until it has this many bytes, and shows them. */
UNUSED static void take_all(const char *what, int fd, int want) {
    char buf[1024];
    int total = 0, n;
    while (total < want) {
        n = MUST(read(fd, buf + total, want - total));
        if (n == 0) break;
        total += n;
    }
    show_bytes(what, buf, total);
}
UNUSED static void type(int master, const char *keys) { MUST(write(master, keys, strlen(keys))); }

/* A terminal: both ends at numbers no child gets by chance, neither inherited. */
UNUSED static void terminal(int *master, int *slave) {
    int a, b;
    MUST(openpty(&a, &b, NULL, NULL, NULL));
    *master = MUST(fcntl(a, F_DUPFD_CLOEXEC, 30));
    *slave = MUST(fcntl(b, F_DUPFD_CLOEXEC, 30));
    close(a);
    close(b);
}
UNUSED static const char *terminal_path(int slave) {
    static char path[64];
    char link[32];
    snprintf(link, sizeof link, "/proc/self/fd/%d", slave);
    int n = MUST(readlink(link, path, sizeof path - 1));
    path[n] = 0;
    return path;
}
/* Starts a role as leader of a session whose controlling terminal this is; it is the role's descriptor 0. */
UNUSED static pid_t start_on_terminal(const char *name, int slave) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, terminal_path(slave), O_RDWR, 0);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
    return start_with(name, NULL, &actions, &attributes);
}
#endif
