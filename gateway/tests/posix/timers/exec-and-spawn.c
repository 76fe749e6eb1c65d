// about: a timer stays through exec; a child has none
#include "case.h"

static volatile int seen;
static void handler(int signal) { seen = signal; }

int main(int argc, char **argv) {
    begin(argc, argv);
    struct itimerval now;
    if (role("child")) {
        MUST(getitimer(ITIMER_REAL, &now));
        say("child has a timer: %d", now.it_value.tv_sec > 0 || now.it_value.tv_usec > 0);
        return 0;
    }
    if (role("after")) {
        MUST(getitimer(ITIMER_REAL, &now));
        say("timer after exec: %d", now.it_value.tv_sec > 90);
        handle_with(SIGALRM, handler, 0);
        block(SIGALRM);
        struct itimerval soon = {{0, 0}, {0, 1000}};
        MUST(setitimer(ITIMER_REAL, &soon, NULL));
        await_signal();
        say("seen %s", signal_name(seen));
        return 0;
    }
    alarm(100);
    reap("child", start("child"));
    char *next[] = {argv[0], "after", NULL};
    MUST(execv(argv[0], next));
}
