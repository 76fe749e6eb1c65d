// about: SIGCHLD comes for stops and continues, and with SA_NOCLDSTOP for neither
#include "case.h"

static volatile int count;
static void handler(int signal) { count += signal == SIGCHLD; }

int main(int argc, char **argv) {
    begin(argc, argv);
    if (role("child")) {
        raise(SIGSTOP);
        hear(0);
        return 0;
    }
    make_line(0);
    handle_with(SIGCHLD, handler, SA_RESTART);
    block(SIGCHLD);
    pid_t child = start_in_group("child", 0);
    await_signal();
    reap_with("child", child, WUNTRACED | WNOHANG);
    kill(child, SIGCONT);
    await_signal();
    reap_with("child", child, WCONTINUED | WNOHANG);
    say("count %d", count);
    handle_with(SIGCHLD, handler, SA_NOCLDSTOP);
    kill(child, SIGSTOP);
    reap_with("child", child, WUNTRACED);
    kill(child, SIGCONT);
    reap_with("child", child, WCONTINUED);
    unblock(SIGCHLD);
    say("count %d", count);
    block(SIGCHLD);
    tell(0);
    await_signal();
    say("count %d", count);
    reap("child", child);
    return 0;
}
