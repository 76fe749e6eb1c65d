// about: a handler runs before kill() of oneself returns, and the program goes on
#include "case.h"

static volatile int seen;
static void handler(int signal) { seen = signal; }

int main(int argc, char **argv) {
    begin(argc, argv);
    handle_with(SIGUSR1, handler, 0);
    SHOW(kill(getpid(), SIGUSR1));
    say("seen %s", signal_name(seen));
    seen = 0;
    SHOW(raise(SIGUSR1));
    say("seen %s", signal_name(seen));
    return 0;
}
