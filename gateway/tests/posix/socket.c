/* Sockets over host_net, whose addresses are texts: `1.2.3.4:80`, `[::1]:80`, `unix:/path`, `unix-abstract:<hex>`. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <wasi/api.h>

typedef unsigned u32;
#define HOST(name, ...) extern int name(__VA_ARGS__) __attribute__((import_module("host_net"), import_name(#name)))
#define PROCESS(name, ...) extern int name(__VA_ARGS__) __attribute__((import_module("host_process"), import_name(#name)))
#define TEXT 512

HOST(net_socket, u32, u32, u32, u32 *);
HOST(net_connect, int, const char *, u32);
HOST(net_bind, int, const char *, u32);
HOST(net_listen, int, int);
HOST(net_accept, int, u32 *, char *, u32 *);
HOST(net_getsockname, int, char *, u32 *);
HOST(net_getpeername, int, char *, u32 *);
HOST(net_send, int, const void *, u32, u32, u32 *);
HOST(net_recv, int, void *, u32, u32, u32 *);
HOST(net_sendto, int, const void *, u32, u32, const char *, u32, u32 *);
HOST(net_recvfrom, int, void *, u32, u32, u32 *, char *, u32 *);
HOST(net_setsockopt, int, int, int, const void *, u32);
HOST(net_getsockopt, int, int, int, void *, u32 *);
HOST(net_set_nonblock, int, u32);
PROCESS(fd_setfd, int, u32);
PROCESS(fd_socketpair, u32, u32, u32, u32 *, u32 *);
PROCESS(fd_sendmsg_rights, int, const void *, u32, const u32 *, u32, u32, u32 *);
PROCESS(fd_recvmsg_rights, int, void *, u32, u32 *, u32, u32, u32 *, u32 *, u32 *);

static int done(int error) {
    if (error == 0) return 0;
    errno = error;
    return -1;
}

/* ---- addresses */

static int write_address(char *text, const struct sockaddr *address, socklen_t len) {
    char host[64];
    if (len < sizeof(sa_family_t)) return done(EINVAL);
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)address;
        if (len < sizeof *in) return done(EINVAL);
        inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
        return snprintf(text, TEXT, "%s:%u", host, ntohs(in->sin_port));
    }
    if (address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in = (const void *)address;
        if (len < sizeof *in) return done(EINVAL);
        inet_ntop(AF_INET6, &in->sin6_addr, host, sizeof host);
        return snprintf(text, TEXT, "[%s]:%u", host, ntohs(in->sin6_port));
    }
    if (address->sa_family != AF_UNIX) return done(EAFNOSUPPORT);
    const struct sockaddr_un *un = (const void *)address;
    size_t bytes = len - offsetof(struct sockaddr_un, sun_path), at;
    if (bytes == 0) return snprintf(text, TEXT, "unix-autobind");
    if (un->sun_path[0]) return snprintf(text, TEXT, "unix:%.*s", (int)bytes, un->sun_path);
    at = snprintf(text, TEXT, "unix-abstract:");
    for (size_t i = 1; i < bytes; i++) at += snprintf(text + at, TEXT - at, "%02x", (unsigned char)un->sun_path[i]);
    return at;
}

static int unhex(const char *text, size_t len, char *to) {
    for (size_t i = 0; i + 1 < len; i += 2) {
        char pair[3] = {text[i], text[i + 1], 0};
        *to++ = strtoul(pair, NULL, 16);
    }
    return len / 2;
}

/* Gives back an address, cut to the room there is as accept() does. */
static void read_address(const char *text, size_t len, struct sockaddr *to, socklen_t *room) {
    struct sockaddr_storage storage = {0};
    socklen_t whole = sizeof(sa_family_t);
    struct sockaddr_un *un = (void *)&storage;
    char line[TEXT + 1];
    if (!to || !room) return;
    memcpy(line, text, len), line[len] = 0;
    if (strncmp(line, "unix", 4) == 0) {
        const char *rest = strchr(line, ':');
        whole = offsetof(struct sockaddr_un, sun_path);
        un->sun_family = AF_UNIX;
        if (strncmp(line, "unix:", 5) == 0) strcpy(un->sun_path, rest + 1), whole += strlen(rest + 1) + 1;
        if (strncmp(line, "unix-path-hex:", 14) == 0) whole += unhex(rest + 1, strlen(rest + 1), un->sun_path) + 1;
        if (strncmp(line, "unix-abstract:", 14) == 0) whole += unhex(rest + 1, strlen(rest + 1), un->sun_path + 1) + 1;
    } else if (line[0] == '[') {
        struct sockaddr_in6 *in = (void *)&storage;
        char *end = strchr(line, ']');
        *end = 0;
        whole = sizeof *in;
        in->sin6_family = AF_INET6, in->sin6_port = htons(atoi(end + 2));
        inet_pton(AF_INET6, line + 1, &in->sin6_addr);
    } else if (len) {
        struct sockaddr_in *in = (void *)&storage;
        char *end = strrchr(line, ':');
        *end = 0;
        whole = sizeof *in;
        in->sin_family = AF_INET, in->sin_port = htons(atoi(end + 1));
        inet_pton(AF_INET, line, &in->sin_addr);
    } else whole = 0;
    memcpy(to, &storage, *room < whole ? *room : whole);
    *room = whole;
}

/* ---- calls */

int socket(int domain, int type, int protocol) {
    u32 fd;
    return done(net_socket(domain, type, protocol, &fd)) ?: (int)fd;
}

int socketpair(int domain, int type, int protocol, int pair[2]) {
    u32 a, b, base = type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC);
    u32 kind = base == SOCK_STREAM ? 1 : base == SOCK_DGRAM ? 2 : base == SOCK_SEQPACKET ? 3 : 0;
    if (domain != AF_UNIX) return done(domain == AF_INET ? EOPNOTSUPP : EAFNOSUPPORT);
    if (kind == 0) return done(EINVAL);
    if (done(fd_socketpair(kind, (type & SOCK_NONBLOCK) != 0, (type & SOCK_CLOEXEC) != 0, &a, &b)) != 0) return -1;
    pair[0] = a, pair[1] = b;
    return 0;
}

int bind(int fd, const struct sockaddr *address, socklen_t len) {
    char text[TEXT];
    int n = write_address(text, address, len);
    return n < 0 ? -1 : done(net_bind(fd, text, n));
}

int connect(int fd, const struct sockaddr *address, socklen_t len) {
    char text[TEXT];
    int n = write_address(text, address, len);
    return n < 0 ? -1 : done(net_connect(fd, text, n));
}

int listen(int fd, int backlog) { return done(net_listen(fd, backlog)); }

int accept4(int fd, struct sockaddr *address, socklen_t *room, int flags) {
    char text[TEXT];
    u32 new, len = TEXT;
    if (done(net_accept(fd, &new, text, &len)) != 0) return -1;
    if (flags & SOCK_NONBLOCK) net_set_nonblock(new, 1);
    if (flags & SOCK_CLOEXEC) fd_setfd(new, 1);
    read_address(text, len, address, room);
    return new;
}

int accept(int fd, struct sockaddr *address, socklen_t *room) { return accept4(fd, address, room, 0); }

int getsockname(int fd, struct sockaddr *address, socklen_t *room) {
    char text[TEXT];
    u32 len = TEXT;
    if (done(net_getsockname(fd, text, &len)) != 0) return -1;
    return read_address(text, len, address, room), 0;
}

int getpeername(int fd, struct sockaddr *address, socklen_t *room) {
    char text[TEXT];
    u32 len = TEXT;
    if (done(net_getpeername(fd, text, &len)) != 0) return -1;
    return read_address(text, len, address, room), 0;
}

ssize_t send(int fd, const void *bytes, size_t len, int flags) {
    u32 n;
    return done(net_send(fd, bytes, len, flags, &n)) ?: (ssize_t)n;
}

ssize_t recv(int fd, void *bytes, size_t room, int flags) {
    u32 n;
    return done(net_recv(fd, bytes, room, flags, &n)) ?: (ssize_t)n;
}

ssize_t sendto(int fd, const void *bytes, size_t len, int flags, const struct sockaddr *address, socklen_t address_len) {
    char text[TEXT];
    u32 n;
    int text_len = address ? write_address(text, address, address_len) : 0;
    return text_len < 0 ? -1 : done(net_sendto(fd, bytes, len, flags, text, text_len, &n)) ?: (ssize_t)n;
}

ssize_t recvfrom(int fd, void *bytes, size_t room, int flags, struct sockaddr *address, socklen_t *address_room) {
    char text[TEXT];
    u32 n, len = TEXT;
    if (done(net_recvfrom(fd, bytes, room, flags, &n, text, &len)) != 0) return -1;
    read_address(text, len, address, address_room);
    return n;
}

int shutdown(int fd, int how) { return how < 0 || how > 2 ? done(EINVAL) : done(__wasi_sock_shutdown(fd, how + 1)); }

int getsockopt(int fd, int level, int name, void *value, socklen_t *len) { return done(net_getsockopt(fd, level, name, value, len)); }

int setsockopt(int fd, int level, int name, const void *value, socklen_t len) {
    return done(net_setsockopt(fd, level, name, value, len));
}

/* ---- messages: one vector, and descriptors as the only control message */

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
    struct cmsghdr *control = CMSG_FIRSTHDR(message);
    u32 n, count = 0;
    const u32 *rights = NULL;
    if (message->msg_iovlen != 1) abort();
    if (control && control->cmsg_level == SOL_SOCKET && control->cmsg_type == SCM_RIGHTS) {
        rights = (const u32 *)CMSG_DATA(control);
        count = (control->cmsg_len - CMSG_LEN(0)) / 4;
    }
    struct iovec vector = message->msg_iov[0];
    int error = fd_sendmsg_rights(fd, vector.iov_base, vector.iov_len, rights, count, flags, &n);
    /* The ABI's word for what send() can do as well; what is no socket is ENOTSOCK there too. */
    if (error == ENOTSOCK) return sendto(fd, vector.iov_base, vector.iov_len, flags, message->msg_name, message->msg_namelen);
    return done(error) ?: (ssize_t)n;
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags) {
    struct cmsghdr *control = CMSG_FIRSTHDR(message);
    u32 n, found = 0, out = 0, room = control ? (message->msg_controllen - CMSG_LEN(0)) / 4 : 0;
    if (message->msg_iovlen != 1) abort();
    struct iovec vector = message->msg_iov[0];
    u32 *rights = control ? (u32 *)CMSG_DATA(control) : NULL;
    int error = fd_recvmsg_rights(fd, vector.iov_base, vector.iov_len, rights, room, flags, &n, &found, &out);
    if (error == ENOTSOCK) {
        socklen_t *name = message->msg_name ? &message->msg_namelen : NULL;
        ssize_t got = recvfrom(fd, vector.iov_base, vector.iov_len, flags, message->msg_name, name);
        if (got >= 0) message->msg_flags = 0, message->msg_controllen = 0;
        return got;
    }
    if (done(error) != 0) return -1;
    message->msg_flags = (out & 1 ? MSG_TRUNC : 0) | (out & 2 ? MSG_CTRUNC : 0);
    message->msg_controllen = found ? CMSG_LEN(found * 4) : 0;
    if (found) control->cmsg_len = CMSG_LEN(found * 4), control->cmsg_level = SOL_SOCKET, control->cmsg_type = SCM_RIGHTS;
    return n;
}
