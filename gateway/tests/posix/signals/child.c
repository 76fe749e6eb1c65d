// about: SIGCHLD comes when a child ends; ignoring it, or SA_NOCLDWAIT, has children collected at once
#include "case.h"

static volatile int count;
static void handler(int signal) { count += signal == SIGCHLD; }

int main(int argc, char **argv) {
    begin(argc, argv);
    if (role("child")) return 7;
    block(SIGCHLD);
    handle_with(SIGCHLD, handler, 0);
    pid_t child = start("child");
    SHOW(await_signal());
    say("count %d", count);
    reap_with("child", child, WNOHANG);
    handle_with(SIGCHLD, SIG_IGN, 0);
    child = start("child");
    SHOW(waitpid(child, NULL, 0));
    handle_with(SIGCHLD, handler, SA_NOCLDWAIT);
    child = start("child");
    SHOW(waitpid(child, NULL, 0));
    handle_with(SIGCHLD, SIG_DFL, 0);
    reap("child", start("child"));
    return 0;
}
