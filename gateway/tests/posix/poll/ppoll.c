// about: ppoll() swaps the mask for its wait: a pending signal is taken, and readiness comes before it
#include "case.h"

static volatile int count;
static void handler(int signal) { count += signal == SIGUSR1; }

int main(int argc, char **argv) {
    begin(argc, argv);
    int ends[2];
    MUST(pipe(ends));
    handle_with(SIGUSR1, handler, 0);
    block(SIGUSR1);
    struct timespec soon = {0, 5000000}, zero = {0, 0};
    sigset_t none = set_of(0), blocked = set_of(SIGUSR1);
    struct pollfd input = {ends[0], POLLIN, 0};
    SHOW(ppoll(&input, 1, &soon, &none));
    raise(SIGUSR1);
    SHOW(ppoll(&input, 1, &soon, &blocked));
    SHOW(ppoll(&input, 1, &soon, NULL));
    say("count %d", count);
    SHOW(ppoll(&input, 1, NULL, &none));
    say("count %d", count);
    sigset_t now;
    sigprocmask(SIG_BLOCK, NULL, &now);
    say("blocked again: %d", sigismember(&now, SIGUSR1));
    struct timespec bad = {0, 1000000000}, negative = {-1, 0};
    SHOW(ppoll(&input, 1, &bad, NULL));
    SHOW(ppoll(&input, 1, &negative, NULL));
    MUST(write(ends[1], "x", 1));
    SHOW(ppoll(&input, 1, &zero, &none));
    return 0;
}
