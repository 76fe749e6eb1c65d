// about: a spawned program has default actions for what was caught; ignored and blocked signals stay
#include "case.h"

static void handler(int signal) { (void)signal; }

int main(int argc, char **argv) {
    begin(argc, argv);
    if (role("child")) {
        struct sigaction term;
        sigset_t now;
        raise(SIGTERM);
        say("SIGTERM was ignored");
        sigprocmask(SIG_BLOCK, NULL, &now);
        say("SIGUSR1 blocked: %d, SIGUSR2 blocked: %d", sigismember(&now, SIGUSR1), sigismember(&now, SIGUSR2));
        raise(SIGUSR1);
        say("SIGUSR1 is pending");
        sigaction(SIGINT, NULL, &term);
        say("SIGINT is default: %d", term.sa_handler == SIG_DFL);
        raise(SIGINT);
        say("not reached");
        return 0;
    }
    handle_with(SIGINT, handler, 0);
    handle_with(SIGTERM, SIG_IGN, 0);
    block(SIGUSR1);
    raise(SIGUSR1);
    reap("child", start("child"));
    return 0;
}
