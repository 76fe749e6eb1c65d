// about: POSIX_SPAWN_SETSIGMASK and SETSIGDEF give the child another mask, and defaults for what was ignored
#include "case.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    if (role("child")) {
        sigset_t now;
        sigprocmask(SIG_BLOCK, NULL, &now);
        say("SIGUSR1 blocked: %d, SIGUSR2 blocked: %d", sigismember(&now, SIGUSR1), sigismember(&now, SIGUSR2));
        raise(SIGHUP);
        say("SIGHUP is ignored");
        raise(SIGTERM);
        say("not reached");
        return 0;
    }
    handle_with(SIGTERM, SIG_IGN, 0);
    handle_with(SIGHUP, SIG_IGN, 0);
    block(SIGUSR1);
    posix_spawnattr_t attributes;
    sigset_t mask = set_of(SIGUSR2), defaults = set_of(SIGTERM);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &mask);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    reap("child", start_with("child", NULL, NULL, &attributes));
    return 0;
}
