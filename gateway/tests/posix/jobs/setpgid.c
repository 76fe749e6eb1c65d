// about: setpgid() and getpgid(): own group, a child's, and what is refused
#include "case.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    if (role("child")) {
        say("in its parent's group: %d", getpgrp() == getpgid(getppid()));
        TRY(setpgid(0, 0));
        say("leads its own: %d", getpgrp() == getpid());
        TRY(setpgid(0, getpgid(getppid())));
        say("back: %d", getpgrp() == getpgid(getppid()));
        TRY(setpgid(getppid(), 0));
        tell(0);
        hear(1);
        return 0;
    }
    make_line(0), make_line(1);
    say("leads: %d", getpgrp() == getpid());
    pid_t child = start("child");
    hear(0);
    TRY(setpgid(getpid(), 0));
    TRY(setpgid(child, -1));
    TRY(setpgid(-1, 0));
    TRY(setpgid(99999999, 0));
    TRY(getpgid(99999999));
    TRY(getpgid(-1));
    tell(1);
    reap("child", child);
    TRY(getpgid(child));
    return 0;
}
