// about: SIGKILL ends a process that blocks and ignores all it can, also while it waits
#include "case.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    if (role("child")) {
        sigset_t all;
        sigfillset(&all);
        sigprocmask(SIG_SETMASK, &all, NULL);
        for (int signal = 1; signal < 32; signal++) {
            struct sigaction ignore;
            memset(&ignore, 0, sizeof ignore);
            ignore.sa_handler = SIG_IGN;
            sigaction(signal, &ignore, NULL);
        }
        tell(0);
        hear(1);
        say("not reached");
        return 0;
    }
    make_line(0), make_line(1);
    pid_t child = start("child");
    hear(0);
    MUST(kill(child, SIGTERM));
    MUST(kill(child, SIGINT));
    reap_with("after SIGTERM and SIGINT", child, WNOHANG);
    MUST(kill(child, SIGKILL));
    reap("after SIGKILL", child);
    return 0;
}
