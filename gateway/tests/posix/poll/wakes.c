// about: a waiting poll() wakes for bytes, for the end of a stream, and for a signal
#include "case.h"

static volatile int count;
static void handler(int signal) { count += signal == SIGUSR1; }

int main(int argc, char **argv) {
    begin(argc, argv);
    if (role("teller")) {
        tell(0);
        return 0;
    }
    if (role("closer")) {
        close(61);
        return 0;
    }
    if (role("pester")) {
        pester(getppid(), SIGUSR1, 1);
        return 0;
    }
    make_line(0), make_line(1);
    struct pollfd input = {hearing(0), POLLIN, 0};
    pid_t teller = start("teller");
    SHOW(poll(&input, 1, -1));
    say("%x", input.revents);
    hear(0);
    reap("teller", teller);
    int ends[2];
    MUST(pipe(ends));
    MUST(dup2(ends[1], 61));
    close(ends[1]);
    MUST(fcntl(ends[0], F_SETFD, FD_CLOEXEC));
    pid_t closer = start("closer");
    close(61);
    struct pollfd end = {ends[0], POLLIN, 0};
    SHOW(poll(&end, 1, -1));
    say("%x", end.revents);
    reap("closer", closer);
    handle_with(SIGUSR1, handler, SA_RESTART);
    pid_t pest = start("pester");
    SHOW(poll(&input, 1, -1));
    say("handled %s", count ? "some" : "none");
    tell(1);
    reap_with("pester", pest, 0);
    return 0;
}
