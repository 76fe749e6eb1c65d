/* Terminals over host_tty and host_process.pty_open. */
#include <errno.h>
#include <pty.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

typedef unsigned u32;
#define HOST(name, ...) extern int name(__VA_ARGS__) __attribute__((import_module("host_tty"), import_name(#name)))
extern int pty_open(u32 *, u32 *) __attribute__((import_module("host_process"), import_name("pty_open")));

HOST(get_size, int, unsigned short *, unsigned short *);
HOST(set_size, int, u32, u32);
HOST(get_attr, int, u32 *, unsigned char *);
HOST(set_attr, int, u32, const unsigned char *);
HOST(get_pgrp, int, u32 *);
HOST(set_pgrp, int, u32);
HOST(get_sid, int, u32 *);

static int done(int error) {
    if (error == 0) return 0;
    errno = error;
    return -1;
}

/* ---- attributes: the ABI has six flags and seven keys; the others are Linux's defaults, and cannot be changed */

static const tcflag_t INPUT = IXON, LOCAL = ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN;
static const unsigned char KEYS[7] = {VINTR, VQUIT, VSUSP, VEOF, VERASE, VKILL, VWERASE};

int tcgetattr(int fd, struct termios *out) {
    u32 flags;
    unsigned char keys[7];
    if (done(get_attr(fd, &flags, keys)) != 0) return -1;
    *out = (struct termios){
        .c_iflag = INPUT | (flags & 1 ? ICRNL : 0),
        .c_oflag = (flags & 2 ? OPOST : 0) | (flags & 4 ? ONLCR : 0),
        .c_lflag = LOCAL | (flags & 8 ? ICANON : 0) | (flags & 16 ? ECHO : 0) | (flags & 32 ? ISIG : 0),
    };
    out->c_cc[VMIN] = 1, out->c_cc[VSTART] = 17, out->c_cc[VSTOP] = 19;
    for (int i = 0; i < 7; i++) out->c_cc[KEYS[i]] = keys[i];
    return 0;
}

int tcsetattr(int fd, int when, const struct termios *in) {
    struct termios now;
    unsigned char keys[7];
    if (tcgetattr(fd, &now) != 0) return -1;
    if (when == TCSAFLUSH || (in->c_iflag & ~ICRNL) != INPUT || in->c_oflag & ~(OPOST | ONLCR) ||
        (in->c_lflag & ~(ICANON | ECHO | ISIG)) != LOCAL || in->c_cc[VMIN] != 1 || in->c_cc[VTIME] != 0)
        return done(EINVAL);
    for (int i = 0; i < 7; i++) keys[i] = in->c_cc[KEYS[i]];
    u32 flags = (in->c_iflag & ICRNL ? 1 : 0) | (in->c_oflag & OPOST ? 2 : 0) | (in->c_oflag & ONLCR ? 4 : 0) |
                (in->c_lflag & ICANON ? 8 : 0) | (in->c_lflag & ECHO ? 16 : 0) | (in->c_lflag & ISIG ? 32 : 0);
    return done(set_attr(fd, flags, keys));
}

pid_t tcgetpgrp(int fd) {
    u32 group;
    return done(get_pgrp(fd, &group)) ?: (int)group;
}

int tcsetpgrp(int fd, pid_t group) { return done(set_pgrp(fd, group)); }

pid_t tcgetsid(int fd) {
    u32 session;
    return done(get_sid(fd, &session)) ?: (int)session;
}

/* get_size() alone answers in Linux's numbers. */
static int from_linux(int error) { return error == 9 ? EBADF : error == 25 ? ENOTTY : error == 5 ? EIO : error; }

int ioctl(int fd, int request, ...) {
    va_list rest;
    va_start(rest, request);
    struct winsize *size = va_arg(rest, struct winsize *);
    va_end(rest);
    if (request == TIOCSWINSZ) return done(set_size(fd, size->ws_col, size->ws_row));
    if (request != TIOCGWINSZ) return done(EINVAL);
    size->ws_xpixel = size->ws_ypixel = 0;
    return done(from_linux(get_size(fd, &size->ws_col, &size->ws_row)));
}

int openpty(int *master, int *slave, char *name, const struct termios *attributes, const struct winsize *size) {
    u32 a, b;
    if (done(pty_open(&a, &b)) != 0) return -1;
    *master = a, *slave = b;
    if (attributes && tcsetattr(b, TCSANOW, attributes) != 0) return -1;
    return size ? ioctl(b, TIOCSWINSZ, size) : 0;
}
