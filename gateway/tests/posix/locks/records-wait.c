// about: F_SETLKW waits until the range is free, and a signal ends its wait
#include "case.h"

static volatile int count;
static void handler(int signal) { count += signal == SIGUSR1; }
static int lock(int fd, int command, int type, off_t start, off_t len) {
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len};
    return fcntl(fd, command, &lock);
}

int main(int argc, char **argv) {
    begin(argc, argv);
    int fd = MUST(open("file", O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (role("waiter")) {
        tell(0);
        SHOW(lock(fd, F_SETLKW, F_RDLCK, 0, 10));
        return 0;
    }
    if (role("pester")) {
        pester(getppid(), SIGUSR1, 1);
        return 0;
    }
    if (role("holder")) {
        MUST(lock(fd, F_SETLK, F_WRLCK, 50, 1));
        tell(0);
        hear(2);
        return 0;
    }
    for (int i = 0; i < 3; i++) make_line(i);
    MUST(lock(fd, F_SETLK, F_WRLCK, 5, 10));
    pid_t waiter = start("waiter");
    hear(0);
    SHOW(lock(fd, F_SETLK, F_UNLCK, 5, 3));
    reap_with("waiter", waiter, WNOHANG);
    MUST(lock(fd, F_SETLK, F_UNLCK, 8, 2));
    reap("waiter", waiter);
    pid_t holder = start("holder");
    hear(0);
    handle_with(SIGUSR1, handler, 0);
    pid_t pest = start("pester");
    SHOW(lock(fd, F_SETLKW, F_RDLCK, 0, 0));
    say("handled %s", count ? "some" : "none");
    handle_with(SIGUSR1, SIG_IGN, 0);
    tell(1);
    reap("pester", pest);
    kill(holder, SIGKILL);
    reap("holder", holder);
    SHOW(lock(fd, F_SETLKW, F_RDLCK, 0, 0));
    return 0;
}
