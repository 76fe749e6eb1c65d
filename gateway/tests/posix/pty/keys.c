// about: the keys of a terminal are signals to its foreground group, drop what was typed, and are echoed
#include "case.h"

static volatile int seen[3];
static void handler(int signal) { seen[signal == SIGINT ? 0 : signal == SIGQUIT ? 1 : 2]++; }

int main(int argc, char **argv) {
    begin(argc, argv);
    if (role("leader")) {
        handle_with(SIGINT, handler, SA_RESTART);
        handle_with(SIGQUIT, handler, SA_RESTART);
        handle_with(SIGTSTP, handler, SA_RESTART);
        say("foreground: %d, session: %d", tcgetpgrp(0) == getpgrp(), tcgetsid(0) == getpid());
        char first[32], second[32];
        tell(0);
        int a = read(0, first, sizeof first);
        tell(0);
        int b = read(0, second, sizeof second);
        hear(1);
        show_bytes("line", first, a), show_bytes("line", second, b);
        say("interrupted %d, quit %d, stopped %d", seen[0], seen[1], seen[2]);
        return 0;
    }
    make_line(0), make_line(1);
    int master, slave;
    terminal(&master, &slave);
    pid_t leader = start_on_terminal("leader", slave);
    hear(0);
    type(master, "dropped");
    take_all("echo", master, 7);
    type(master, "\003");
    take_all("echo", master, 2);
    type(master, "kept\n");
    take_all("echo", master, 6);
    hear(0);
    type(master, "a");
    take_all("echo", master, 1);
    type(master, "\034");
    take_all("echo", master, 2);
    type(master, "b");
    take_all("echo", master, 1);
    type(master, "\032");
    take_all("echo", master, 2);
    type(master, "c\n");
    take_all("echo", master, 3);
    tell(1);
    reap("leader", leader);
    return 0;
}
