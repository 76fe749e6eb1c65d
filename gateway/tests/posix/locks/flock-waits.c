// about: flock() waits for whoever holds the lock, and a signal ends its wait
#include "case.h"

static volatile int count;
static void handler(int signal) { count += signal == SIGUSR1; }

int main(int argc, char **argv) {
    begin(argc, argv);
    if (role("waiter")) {
        int fd = MUST(open("file", O_RDWR));
        SHOW(flock(fd, LOCK_EX | LOCK_NB));
        tell(0);
        SHOW(flock(fd, LOCK_EX));
        return 0;
    }
    if (role("pester")) {
        pester(getppid(), SIGUSR1, 1);
        return 0;
    }
    if (role("holder")) {
        int fd = MUST(open("file", O_RDWR));
        MUST(flock(fd, LOCK_EX));
        tell(0);
        hear(2);
        return 0;
    }
    for (int i = 0; i < 3; i++) make_line(i);
    int fd = MUST(open("file", O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    MUST(flock(fd, LOCK_EX));
    pid_t waiter = start("waiter");
    hear(0);
    reap_with("waiter", waiter, WNOHANG);
    MUST(flock(fd, LOCK_UN));
    reap("waiter", waiter);
    pid_t holder = start("holder");
    hear(0);
    handle_with(SIGUSR1, handler, 0);
    pid_t pest = start("pester");
    SHOW(flock(fd, LOCK_SH));
    say("handled %s", count ? "some" : "none");
    handle_with(SIGUSR1, SIG_IGN, 0);
    tell(1);
    reap("pester", pest);
    kill(holder, SIGKILL);
    reap("holder", holder);
    SHOW(flock(fd, LOCK_SH));
    return 0;
}
