// about: a waitpid() that a signal interrupts is EINTR, or goes on with SA_RESTART
#include "case.h"

static volatile int count;
static void handler(int signal) { count += signal == SIGUSR1; }

int main(int argc, char **argv) {
    begin(argc, argv);
    if (role("child")) {
        pester(getppid(), SIGUSR1, 0);
        return 3;
    }
    if (role("teller")) {
        for (int i = 0; i < 20; i++) kill(getppid(), SIGUSR1);
        tell(0);
        return 1;
    }
    make_line(0);
    handle_with(SIGUSR1, handler, 0);
    pid_t child = start("child");
    SHOW(waitpid(child, NULL, 0));
    handle_with(SIGUSR1, handler, SA_RESTART);
    pid_t teller = start("teller");
    reap("child", child);
    reap("teller", teller);
    say("handled %s", count ? "some" : "none");
    return 0;
}
