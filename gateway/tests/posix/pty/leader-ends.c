// about: when a session's leader ends its foreground group gets SIGHUP, and the terminal belongs to nobody
#include "case.h"

static volatile int seen;
static void handler(int signal) { seen = signal; }

int main(int argc, char **argv) {
    begin(argc, argv);
    if (role("job")) {
        handle_with(SIGHUP, handler, 0);
        block(SIGHUP);
        tell(0);
        await_signal();
        say("job: %s", signal_name(seen));
        SHOW(open("/dev/tty", O_RDWR));
        tell(1);
        return 0;
    }
    if (role("leader")) {
        handle_with(SIGTTOU, SIG_IGN, 0);
        pid_t job = start_in_group("job", 0);
        MUST(tcsetpgrp(0, job));
        hear(0);
        return 5;
    }
    make_line(0), make_line(1);
    int master, slave;
    terminal(&master, &slave);
    pid_t leader = start_on_terminal("leader", slave);
    hear(1);
    reap("leader", leader);
    return 0;
}
