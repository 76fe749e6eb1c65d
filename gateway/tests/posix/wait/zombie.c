// about: a child that ended keeps its number and its group until it is collected
#include "case.h"

static volatile int count;
static void handler(int signal) { count += signal == SIGCHLD; }

int main(int argc, char **argv) {
    begin(argc, argv);
    if (role("child")) return 3;
    handle_with(SIGCHLD, handler, 0);
    block(SIGCHLD);
    pid_t child = start_in_group("child", 0);
    await_signal();
    SHOW(kill(child, 0));
    SHOW(kill(child, SIGKILL));
    SHOW(getpgid(child) == child);
    SHOW(kill(-child, 0));
    reap("child", child);
    SHOW(kill(child, 0));
    TRY(getpgid(child));
    return 0;
}
