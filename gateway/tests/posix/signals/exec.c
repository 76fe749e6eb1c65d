// about: exec resets handlers, and keeps what is ignored, blocked and pending
#include "case.h"

static volatile int count;
static void handler(int signal) { count += signal > 0; }

int main(int argc, char **argv) {
    begin(argc, argv);
    if (role("after")) {
        raise(SIGTERM);
        say("SIGTERM is ignored");
        handle_with(SIGUSR1, handler, 0);
        say("before: %d", count);
        unblock(SIGUSR1);
        say("the pending SIGUSR1 came: %d", count);
        raise(SIGUSR2);
        say("not reached");
        return 0;
    }
    if (role("child")) {
        char *next[] = {argv[0], "after", NULL};
        handle_with(SIGUSR2, handler, 0);
        handle_with(SIGTERM, SIG_IGN, 0);
        block(SIGUSR1);
        raise(SIGUSR1);
        MUST(execv(argv[0], next));
    }
    reap("child", start("child"));
    return 0;
}
