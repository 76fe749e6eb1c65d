// about: without SA_RESTART a signal ends a waiting read(), write(), waitpid() and open() of a FIFO with EINTR
#include "case.h"

static volatile int count;
static void handler(int signal) { count += signal == SIGUSR1; }

int main(int argc, char **argv) {
    begin(argc, argv);
    if (role("child")) {
        pester(getppid(), SIGUSR1, 1);
        return 3;
    }
    handle_with(SIGUSR1, handler, 0);
    make_line(0), make_line(1);
    pid_t child = start("child");
    char byte;
    SHOW(read(hearing(0), &byte, 1));
    SHOW(waitpid(child, NULL, 0));
    MUST(mkfifo("fifo", 0600));
    SHOW(open("fifo", O_RDONLY));
    static char much[65536];
    ssize_t n;
    do n = write(telling(0), much, sizeof much);
    while (n > 0);
    say("write: %s", error_name(errno));
    say("handled %s", count ? "some" : "none");
    handle_with(SIGUSR1, SIG_IGN, 0);
    tell(1);
    reap("child", child);
    return 0;
}
