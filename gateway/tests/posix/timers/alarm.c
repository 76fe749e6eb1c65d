// about: alarm() sends SIGALRM, which ends a process or its wait; a second alarm takes the first one's place
#include "case.h"

static volatile int seen;
static void handler(int signal) { seen = signal; }

int main(int argc, char **argv) {
    begin(argc, argv);
    struct itimerval soon = {{0, 0}, {0, 20000}};
    if (role("child")) {
        setitimer(ITIMER_REAL, &soon, NULL);
        for (;;) pause();
    }
    SHOW(alarm(100));
    SHOW(alarm(50) > 90);
    SHOW(alarm(0) > 40);
    SHOW(alarm(0));
    handle_with(SIGALRM, handler, 0);
    block(SIGALRM);
    MUST(setitimer(ITIMER_REAL, &soon, NULL));
    SHOW(await_signal());
    say("seen %s", signal_name(seen));
    unblock(SIGALRM);
    reap("child", start("child"));
    return 0;
}
