// about: a handler may be interrupted by another signal, and may itself make calls and start processes
#include "case.h"

static void inner(int signal) { say("  inner %s", signal_name(signal)); }
static void outer(int signal) {
    say("outer %s", signal_name(signal));
    raise(SIGUSR2);
    reap("  child", start("child"));
    say("outer ends");
}

int main(int argc, char **argv) {
    begin(argc, argv);
    if (role("child")) return 9;
    handle_with(SIGUSR1, outer, 0);
    handle_with(SIGUSR2, inner, 0);
    errno = 0;
    raise(SIGUSR1);
    say("back");
    return 0;
}
