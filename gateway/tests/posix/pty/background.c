// about: a background job that reads stops by SIGTTIN, and one that changes the terminal by SIGTTOU; in the foreground it goes on
#include "case.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    if (role("reader")) {
        take("reader", 0, 100);
        return 1;
    }
    if (role("writer")) {
        int n = write(0, "out\n", 4);
        say("writer: %d", n);
        return 2;
    }
    if (role("setter")) {
        struct termios now;
        MUST(tcgetattr(0, &now));
        SHOW(tcsetattr(0, TCSANOW, &now));
        return 3;
    }
    if (role("shell")) {
        handle_with(SIGTTOU, SIG_IGN, 0);
        posix_spawnattr_t attributes;
        sigset_t defaults = set_of(SIGTTOU);
        posix_spawnattr_init(&attributes);
        posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF);
        posix_spawnattr_setsigdefault(&attributes, &defaults);
        pid_t job = start_with("reader", NULL, NULL, &attributes);
        reap_with("reader", job, WUNTRACED);
        MUST(tcsetpgrp(0, job));
        MUST(kill(job, SIGCONT));
        tell(0);
        reap("reader", job);
        MUST(tcsetpgrp(0, getpgrp()));
        reap("writer", start_with("writer", NULL, NULL, &attributes));
        job = start_with("setter", NULL, NULL, &attributes);
        reap_with("setter", job, WUNTRACED);
        MUST(tcsetpgrp(0, job));
        MUST(kill(job, SIGCONT));
        reap("setter", job);
        return 0;
    }
    make_line(0);
    int master, slave;
    terminal(&master, &slave);
    pid_t shell = start_on_terminal("shell", slave);
    hear(0);
    type(master, "typed\n");
    reap("shell", shell);
    return 0;
}
