// about: sigsuspend() waits with another mask, returns EINTR after the handler, and puts the mask back
#include "case.h"

static volatile int seen;
static void handler(int signal) { seen = signal; }

int main(int argc, char **argv) {
    begin(argc, argv);
    if (role("child")) {
        kill(getppid(), SIGUSR1);
        return 0;
    }
    handle_with(SIGUSR1, handler, SA_RESTART);
    block(SIGUSR1);
    pid_t child = start("child");
    SHOW(await_signal());
    say("seen %s", signal_name(seen));
    seen = 0;
    MUST(raise(SIGUSR1));
    say("blocked again: %s", seen ? "no" : "yes");
    sigset_t now;
    MUST(sigprocmask(SIG_BLOCK, NULL, &now));
    say("in the mask: %d", sigismember(&now, SIGUSR1));
    /* Pending already: it is taken at once. */
    SHOW(await_signal());
    say("seen %s", signal_name(seen));
    reap("child", child);
    return 0;
}
