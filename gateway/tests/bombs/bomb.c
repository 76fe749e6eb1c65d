/* Takes all it can of one thing, which its first argument names: until the first error, or without end where there is
 * none. Then it prints `full <what> <error>` and keeps everything, or goes on, until it is killed. A second argument is
 * a number whose meaning the role says. */
#include "case.h"
#include <limits.h>
#include <wasi/api.h>

static const char *number_text;

static void hold(void) {
    for (;;) pause();
}

static void print_full(int error) {
    const char *name = error == EDQUOT ? "EDQUOT" : error ? error_name(error) : "-";
    say("full %s %s", role_name, name);
}

/* What was asked for last could not be had. */
static void full(void) {
    print_full(errno);
    hold();
}

/* One more process of this role. */
static int spawn_again(void) {
    char *argv[] = {(char *)self_path, (char *)role_name, (char *)number_text, NULL};
    errno = posix_spawn(NULL, self_path, NULL, NULL, argv, environ);
    return errno ? -1 : 0;
}

/* ---- processes and memory */

/* Every child does the same. */
static void fork_bomb(void) {
    while (spawn_again() == 0) {}
    full();
}

/* Blocks of 1 MiB, so many a process at most, in one process after the other. `touch` also fills them. */
static void memory(int touch) {
    enum { BLOCK = 1 << 20 };
    for (long left = number_text ? atol(number_text) : LONG_MAX; left > 0; left--) {
        void *volatile block = malloc(BLOCK);
        if (!block) full();
        if (touch) memset(block, 1, BLOCK);
    }
    if (spawn_again() != 0) full();
    hold();
}

/* ---- descriptors and what they are open on */

static void descriptors(void) {
    while (dup(0) >= 0) {}
    full();
}

/* A process that has no more descriptors is followed by the next, which inherits none. */
static void go_on_in_another_process(void) {
    if (errno != EMFILE || spawn_again() != 0) full();
    hold();
}

static void open_files(void) {
    while (open("/etc/passwd", O_RDONLY | O_CLOEXEC) >= 0) {}
    go_on_in_another_process();
}

/* A pipe that nobody writes to any more keeps what is in it: one descriptor holds 64 KiB. */
static void pipes(void) {
    static char bytes[65536];
    int ends[2];
    while (pipe2(ends, O_NONBLOCK | O_CLOEXEC) == 0) {
        MUST(write(ends[1], bytes, sizeof bytes));
        close(ends[1]);
    }
    go_on_in_another_process();
}

/* Each open file of /proc keeps its text: here an environment of 60 KB. */
static void proc_text(void) {
    static char variable[60000] = "LARGE=";
    if (!getenv("LARGE")) {
        memset(variable + 6, 'x', sizeof variable - 7);
        char *argv[] = {(char *)self_path, (char *)role_name, NULL}, *envp[] = {variable, NULL};
        MUST(execve(self_path, argv, envp));
    }
    while (open("/proc/self/environ", O_RDONLY | O_CLOEXEC) >= 0) {}
    go_on_in_another_process();
}

/* Each directory that is being read keeps the names it had at the first read; all of them change in between. */
static void listing(void) {
    enum { NAMES = 1000 };
    char from[64], to[64], entries[256];
    MUST(mkdir("/tmp/large", 0777));
    for (int i = 0; i < NAMES; i++) {
        snprintf(to, sizeof to, "/tmp/large/0-%d", i);
        close(MUST(open(to, O_CREAT | O_WRONLY, 0666)));
    }
    for (int round = 0;; round++) {
        int fd = open("/tmp/large", O_RDONLY | O_DIRECTORY);
        if (fd < 0) full();
        size_t used;
        errno = __wasi_fd_readdir(fd, (uint8_t *)entries, sizeof entries, 0, &used);
        if (errno) full();
        for (int i = 0; i < NAMES; i++) {
            snprintf(from, sizeof from, "/tmp/large/%d-%d", round, i);
            snprintf(to, sizeof to, "/tmp/large/%d-%d", round + 1, i);
            MUST(rename(from, to));
        }
    }
}

/* ---- files */

static void inodes(void) {
    char path[64];
    MUST(mkdir("/tmp/many", 0777));
    for (int i = 0;; i++) {
        snprintf(path, sizeof path, "/tmp/many/%d", i);
        int fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0666);
        if (fd < 0) full();
        close(fd);
    }
}

/* Hard links; a file that has as many as it may is followed by the next. */
static void names(void) {
    char file[64] = "", path[64];
    MUST(mkdir("/tmp/names", 0777));
    for (int i = 0;; i++) {
        snprintf(path, sizeof path, "/tmp/names/%d", i);
        if (*file && link(file, path) == 0) continue;
        if (*file && errno != EMLINK) full();
        strcpy(file, path);
        int fd = open(file, O_CREAT | O_EXCL | O_WRONLY, 0666);
        if (fd < 0) full();
        close(fd);
    }
}

/* A directory in a directory, and so on; at the end, whatever goes through all of them. */
static void depth(void) {
    int top = MUST(open("/tmp", O_RDONLY | O_DIRECTORY)), at = dup(top), next;
    char link[64], path[4096];
    while (mkdirat(at, "d", 0777) == 0) {
        next = MUST(openat(at, "d", O_RDONLY | O_DIRECTORY));
        close(at);
        at = next;
    }
    int error = errno;
    snprintf(link, sizeof link, "/proc/self/fd/%d", at);
    if (readlink(link, path, sizeof path) > (ssize_t)sizeof path) say("more than asked for");
    if (renameat(top, "d", at, "d") != -1 || errno != EINVAL) say("a directory can be moved into itself");
    errno = error;
    full();
}

/* A byte in every 64 KiB of a file. */
static void holes(void) {
    int fd = MUST(open("/tmp/holes", O_CREAT | O_WRONLY, 0666));
    for (off_t at = 0;; at += 65536)
        if (pwrite(fd, "x", 1, at) < 0) full();
}

/* A file of one byte, and another. */
static void small_files(void) {
    char path[64];
    MUST(mkdir("/tmp/small", 0777));
    for (int i = 0;; i++) {
        snprintf(path, sizeof path, "/tmp/small/%d", i);
        int fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0666);
        if (fd < 0 || write(fd, "x", 1) < 0) full();
        close(fd);
    }
}

/* Every second byte of a file. */
static void locks(void) {
    int fd = MUST(open("/tmp/locked", O_CREAT | O_RDWR, 0666));
    for (long i = 0;; i++) {
        struct flock range = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 2 * i, .l_len = 1};
        if (fcntl(fd, F_SETLK, &range) != 0) full();
    }
}

/* ---- sockets and terminals */

/* Connections nobody accepts. */
static void sockets(void) {
    int port, listening = listener(&port);
    struct sockaddr_in address = inet_address("127.0.0.1", port);
    MUST(listen(listening, SOMAXCONN));
    for (;;) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        if (fd < 0 || connect(fd, ADDRESS(address), sizeof address) != 0) full();
    }
}

/* Two Unix sockets, connected through a listener that stays. */
static int unix_pair(int pair[2]) {
    static int listening = -1;
    struct sockaddr_un address = unix_address("/tmp/listener");
    if (listening < 0) {
        listening = MUST(socket(AF_UNIX, SOCK_STREAM, 0));
        MUST(bind(listening, ADDRESS(address), sizeof address));
        MUST(listen(listening, 1));
    }
    pair[0] = socket(AF_UNIX, SOCK_STREAM, 0);
    if (pair[0] < 0 || connect(pair[0], ADDRESS(address), sizeof address) != 0) return -1;
    pair[1] = accept(listening, NULL, NULL);
    return pair[1] < 0 ? -1 : 0;
}

/* Connections whose bytes nobody receives, as many as a socket takes. */
static void streams(void) {
    static char bytes[65536];
    int pair[2];
    while (unix_pair(pair) == 0)
        for (int i = 0; i < 2; i++)
            while (send(pair[i], bytes, sizeof bytes, MSG_DONTWAIT) > 0) {}
    full();
}

/* Small ones to one socket, which loses what it has no room for, and then large ones to one after the other. */
static void datagrams(void) {
    static char bytes[60000];
    struct sockaddr_in address;
    int fd = datagram_socket(&address);
    for (int i = 0; i < 5000; i++) MUST(sendto(fd, bytes, 1, 0, ADDRESS(address), sizeof address));
    for (;;) {
        fd = datagram_socket(&address);
        for (int i = 0; i < 5; i++)
            if (sendto(fd, bytes, sizeof bytes, 0, ADDRESS(address), sizeof address) < 0) full();
    }
}

/* First sockets that are in flight to each other and to nobody else, more often than there may be sockets or descriptors
 * in flight; then descriptors in flight to a pair that stays, among them its own ends. */
static void rights(void) {
    int pair[2], all[64];
    for (int i = 0; i < 2000; i++) {
        MUST(unix_pair(pair));
        for (int end = 0; end < 2; end++) MUST(send_fds(pair[end], "x", pair, 2));
        close(pair[0]);
        close(pair[1]);
    }
    MUST(unix_pair(pair));
    for (int i = 0; i < 64; i++) all[i] = pair[i % 2];
    for (int i = 0;; i++)
        if (send_fds(pair[i % 2], "x", all, 64) < 0) full();
}

/* Each with as much output as it takes. */
static void ptys(void) {
    static char bytes[65536];
    int master, slave;
    while (openpty(&master, &slave, NULL, NULL, NULL) == 0) {
        MUST(fcntl(slave, F_SETFL, O_NONBLOCK));
        while (write(slave, bytes, sizeof bytes) > 0) {}
    }
    full();
}

/* ---- what has no end */

/* Standard error is a pipe nobody reads. */
static void output(void) {
    static char bytes[65536];
    MUST(fcntl(2, F_SETFL, O_NONBLOCK));
    while (write(2, bytes, sizeof bytes) > 0) {}
    print_full(errno);
    MUST(fcntl(2, F_SETFL, 0));
    for (;;) MUST(write(2, bytes, sizeof bytes));
}

static volatile int caught;
static void handler(int signal) { caught += signal > 0; }

/* So many processes of this role as the second argument says. */
static void spawn_others(void) {
    int others = number_text ? atoi(number_text) - 1 : 0;
    number_text = "1";
    for (int i = 0; i < others; i++) MUST(spawn_again());
}

static void timer(void) {
    struct itimerval every = {{0, 1}, {0, 1}};
    spawn_others();
    handle_with(SIGALRM, handler, 0);
    MUST(setitimer(ITIMER_REAL, &every, NULL));
    while (caught < 1000) pause();
    print_full(0);
    hold();
}

/* Each alarm is a millisecond earlier than the one before, and all are far away. */
static void deadlines(void) {
    for (int i = 0; i < 3000000; i++) {
        struct itimerval once = {{0, 0}, {86000 - i / 1000, 999999 - i % 1000 * 1000}};
        MUST(setitimer(ITIMER_REAL, &once, NULL));
    }
    print_full(0);
    hold();
}

/* To itself and to four children that each do the same to the whole group. */
static void signals(void) {
    handle_with(SIGUSR1, handler, 0);
    if (!number_text) {
        number_text = "child";
        /* A child is born with it blocked, and so lives until it has its handler. */
        block(SIGUSR1);
        for (int i = 0; i < 4; i++) MUST(spawn_again());
    }
    unblock(SIGUSR1);
    for (int said = 0;;) {
        MUST(kill(0, SIGUSR1));
        MUST(kill(getpid(), SIGUSR1));
        if (said || caught < 1000) continue;
        print_full(0);
        said = 1;
    }
}

static void busy_poll(void) {
    struct pollfd input = {0, POLLPRI, 0};
    spawn_others();
    for (int i = 0;; i++) {
        MUST(poll(&input, 1, 0));
        if (i == 10000) print_full(0);
    }
}

int main(int argc, char **argv) {
    begin(argc, argv);
    number_text = argc > 2 ? argv[2] : NULL;
    if (role("fork")) fork_bomb();
    if (role("memory")) memory(0);
    if (role("touched-memory")) memory(1);
    if (role("descriptors")) descriptors();
    if (role("open-files")) open_files();
    if (role("pipes")) pipes();
    if (role("proc-text")) proc_text();
    if (role("listing")) listing();
    if (role("inodes")) inodes();
    if (role("names")) names();
    if (role("depth")) depth();
    if (role("holes")) holes();
    if (role("small-files")) small_files();
    if (role("locks")) locks();
    if (role("sockets")) sockets();
    if (role("streams")) streams();
    if (role("datagrams")) datagrams();
    if (role("rights")) rights();
    if (role("ptys")) ptys();
    if (role("output")) output();
    if (role("timer")) timer();
    if (role("deadlines")) deadlines();
    if (role("signals")) signals();
    if (role("poll")) busy_poll();
    return 2;
}
