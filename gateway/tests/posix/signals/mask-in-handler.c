// about: in a handler its own signal and those of sa_mask are blocked, until it returns
#include "case.h"

static volatile int depth, deepest;
static void other(int signal) { say("  %s at depth %d", signal_name(signal), depth); }
static void handler(int signal) {
    if (++depth > deepest) deepest = depth;
    say("into %s", signal_name(signal));
    raise(SIGUSR2);
    if (deepest == 1 && depth == 1) {
        deepest = 2;
        raise(SIGUSR1);
    }
    say("out of %s", signal_name(signal));
    depth--;
}

int main(int argc, char **argv) {
    begin(argc, argv);
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = handler;
    action.sa_mask = set_of(SIGUSR2);
    MUST(sigaction(SIGUSR1, &action, NULL));
    handle_with(SIGUSR2, other, 0);
    raise(SIGUSR1);
    sigset_t now;
    MUST(sigprocmask(SIG_BLOCK, NULL, &now));
    say("afterwards in the mask: %d %d", sigismember(&now, SIGUSR1), sigismember(&now, SIGUSR2));
    return 0;
}
