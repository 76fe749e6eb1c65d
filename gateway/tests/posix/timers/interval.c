// about: an interval timer comes again and again until it is cleared
#include "case.h"

static volatile int count;
static void handler(int signal) { count += signal == SIGALRM; }

int main(int argc, char **argv) {
    begin(argc, argv);
    handle_with(SIGALRM, handler, 0);
    block(SIGALRM);
    struct itimerval every = {{0, 5000}, {0, 5000}}, none = {{0, 0}, {0, 0}}, now;
    MUST(setitimer(ITIMER_REAL, &every, NULL));
    for (int i = 0; i < 3; i++) await_signal();
    say("count %d", count);
    MUST(getitimer(ITIMER_REAL, &now));
    say("interval %ld, left at most that: %d", (long)now.it_interval.tv_usec, now.it_value.tv_sec == 0 && now.it_value.tv_usec <= 5000);
    MUST(setitimer(ITIMER_REAL, &none, &now));
    say("interval %ld", (long)now.it_interval.tv_usec);
    MUST(getitimer(ITIMER_REAL, &now));
    say("interval %ld, left %ld", (long)now.it_interval.tv_usec, (long)now.it_value.tv_usec);
    return 0;
}
