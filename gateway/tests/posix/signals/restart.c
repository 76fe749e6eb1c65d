// about: with SA_RESTART a read() that a signal interrupts goes on, and gives what comes later
#include "case.h"

static volatile int count;
static void handler(int signal) { count += signal == SIGUSR1; }

int main(int argc, char **argv) {
    begin(argc, argv);
    if (role("child")) {
        pester(getppid(), SIGUSR1, 1);
        tell(0);
        return 0;
    }
    handle_with(SIGUSR1, handler, SA_RESTART);
    make_line(0), make_line(1);
    pid_t child = start("child");
    while (count < 3) {
        struct pollfd none = {hearing(0), POLLIN, 0};
        poll(&none, 1, 1);
    }
    tell(1);
    char byte = 0;
    SHOW(read(hearing(0), &byte, 1));
    say("byte %c, handled %s", byte, count >= 3 ? "some" : "none");
    reap("child", child);
    return 0;
}
