// about: a blocked signal stays pending, once however often it is sent, and comes when it is unblocked
#include "case.h"

static volatile int count;
static void handler(int signal) { count += signal == SIGUSR1; }

int main(int argc, char **argv) {
    begin(argc, argv);
    handle_with(SIGUSR1, handler, 0);
    block(SIGUSR1);
    for (int i = 0; i < 3; i++) MUST(raise(SIGUSR1));
    say("while blocked: %d", count);
    unblock(SIGUSR1);
    say("after: %d", count);
    block(SIGUSR1);
    MUST(raise(SIGUSR1));
    handle_with(SIGUSR1, SIG_IGN, 0);
    handle_with(SIGUSR1, handler, 0);
    unblock(SIGUSR1);
    say("after it was ignored while pending: %d", count);
    return 0;
}
