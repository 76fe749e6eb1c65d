// about: an alarm that comes while SIGALRM is blocked or a process waits elsewhere is not lost
#include "case.h"

static volatile int count;
static void handler(int signal) { count += signal == SIGALRM; }

int main(int argc, char **argv) {
    begin(argc, argv);
    struct itimerval soon = {{0, 0}, {0, 1000}};
    handle_with(SIGALRM, handler, SA_RESTART);
    block(SIGALRM);
    MUST(setitimer(ITIMER_REAL, &soon, NULL));
    struct pollfd none;
    SHOW(poll(&none, 0, 20));
    say("count %d", count);
    unblock(SIGALRM);
    say("count %d", count);
    MUST(setitimer(ITIMER_REAL, &soon, NULL));
    make_line(0);
    /* A wait with a time limit is not restarted. */
    struct pollfd input = {hearing(0), POLLIN, 0};
    SHOW(poll(&input, 1, 5000));
    say("count %d", count);
    return 0;
}
