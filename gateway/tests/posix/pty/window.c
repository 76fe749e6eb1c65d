// about: the window's size is kept, seen at both ends, and a change is SIGWINCH to the foreground group
#include "case.h"

static volatile int count;
static void handler(int signal) { count += signal == SIGWINCH; }
static void show_size(const char *what, int fd) {
    struct winsize size;
    MUST(ioctl(fd, TIOCGWINSZ, &size));
    say("%s: %dx%d", what, size.ws_col, size.ws_row);
}

int main(int argc, char **argv) {
    begin(argc, argv);
    if (role("leader")) {
        handle_with(SIGWINCH, handler, 0);
        block(SIGWINCH);
        show_size("leader", 0);
        tell(0);
        await_signal();
        show_size("leader", 0);
        tell(0);
        hear(1);
        unblock(SIGWINCH);
        say("count %d", count);
        return 0;
    }
    make_line(0), make_line(1);
    int master, slave;
    struct winsize size = {24, 80, 0, 0};
    terminal(&master, &slave);
    show_size("at first", slave);
    MUST(ioctl(slave, TIOCSWINSZ, &size));
    show_size("master", master);
    pid_t leader = start_on_terminal("leader", slave);
    hear(0);
    size.ws_row = 50, size.ws_col = 132;
    MUST(ioctl(master, TIOCSWINSZ, &size));
    hear(0);
    /* No change, no signal. */
    MUST(ioctl(master, TIOCSWINSZ, &size));
    tell(1);
    reap("leader", leader);
    return 0;
}
