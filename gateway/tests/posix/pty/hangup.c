// about: closing the master hangs up: SIGHUP to the session's leader, the end for readers, EIO for writers
#include "case.h"

static volatile int hangups;
static void handler(int signal) { hangups += signal == SIGHUP; }

int main(int argc, char **argv) {
    begin(argc, argv);
    if (role("leader")) {
        handle_with(SIGHUP, handler, 0);
        block(SIGHUP);
        tell(0);
        await_signal();
        say("hangups %d", hangups);
        take("read", 0, 10);
        SHOW(write(0, "x", 1));
        look("terminal", 0, POLLIN | POLLOUT);
        SHOW(open("/dev/tty", O_RDWR));
        return 0;
    }
    if (role("dies")) {
        tell(0);
        hear(1);
        return 0;
    }
    make_line(0), make_line(1);
    int master, slave;
    terminal(&master, &slave);
    pid_t leader = start_on_terminal("leader", slave);
    hear(0);
    close(slave);
    close(master);
    reap("leader", leader);
    terminal(&master, &slave);
    leader = start_on_terminal("dies", slave);
    hear(0);
    close(master);
    reap("dies", leader);
    return 0;
}
