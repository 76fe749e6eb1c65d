// about: writing to a pipe nobody reads is SIGPIPE: default, ignored and caught
#include "case.h"

static volatile int seen;
static void handler(int signal) { seen = signal; }

int main(int argc, char **argv) {
    begin(argc, argv);
    int ends[2];
    MUST(pipe(ends));
    close(ends[0]);
    if (role("child")) {
        SHOW(write(ends[1], "x", 1));
        return 0;
    }
    reap("child", start("child"));
    handle_with(SIGPIPE, SIG_IGN, 0);
    SHOW(write(ends[1], "x", 1));
    handle_with(SIGPIPE, handler, SA_RESTART);
    SHOW(write(ends[1], "x", 1));
    say("seen %s", signal_name(seen));
    seen = 0;
    block(SIGPIPE);
    SHOW(write(ends[1], "x", 1));
    say("seen %s", signal_name(seen));
    unblock(SIGPIPE);
    say("seen %s", signal_name(seen));
    return 0;
}
