// about: with TOSTOP a background job that writes stops by SIGTTOU; in the foreground it goes on
#include "case.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    if (role("writer")) {
        int n = write(0, "out\n", 4);
        say("writer: %d", n);
        return 2;
    }
    if (role("shell")) {
        struct termios now;
        handle_with(SIGTTOU, SIG_IGN, 0);
        posix_spawnattr_t attributes;
        sigset_t defaults = set_of(SIGTTOU);
        posix_spawnattr_init(&attributes);
        posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF);
        posix_spawnattr_setsigdefault(&attributes, &defaults);
        MUST(tcgetattr(0, &now));
        now.c_lflag |= TOSTOP;
        MUST(tcsetattr(0, TCSANOW, &now));
        pid_t job = start_with("writer", NULL, NULL, &attributes);
        reap_with("writer", job, WUNTRACED);
        MUST(tcsetpgrp(0, job));
        MUST(kill(job, SIGCONT));
        reap("writer", job);
        MUST(tcsetpgrp(0, getpgrp()));
        return 0;
    }
    int master, slave;
    terminal(&master, &slave);
    pid_t shell = start_on_terminal("shell", slave);
    reap("shell", shell);
    return 0;
}
