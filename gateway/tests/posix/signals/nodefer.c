// about: SA_NODEFER lets a handler be interrupted by its own signal; SA_RESETHAND makes it serve once
#include "case.h"

static volatile int depth;
static void handler(int signal) {
    depth++;
    say("depth %d", depth);
    if (depth < 3) raise(signal);
    depth--;
}

int main(int argc, char **argv) {
    begin(argc, argv);
    if (role("once")) {
        handle_with(SIGUSR2, handler, SA_RESETHAND);
        depth = 5;
        raise(SIGUSR2);
        say("still here");
        raise(SIGUSR2);
        say("not reached");
        return 0;
    }
    handle_with(SIGUSR1, handler, SA_NODEFER);
    raise(SIGUSR1);
    say("depth %d", depth);
    reap("once", start("once"));
    return 0;
}
