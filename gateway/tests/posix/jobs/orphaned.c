// about: in an orphaned group the stop signals of a terminal do nothing, and SIGSTOP stops as ever
#include "case.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    if (role("child")) {
        /* Its group is the leader's of the session, whose parent is outside. */
        raise(SIGTSTP), raise(SIGTTIN), raise(SIGTTOU);
        say("child not stopped");
        raise(SIGSTOP);
        return 3;
    }
    raise(SIGTSTP), raise(SIGTTIN), raise(SIGTTOU);
    say("not stopped");
    pid_t child = start("child");
    reap_with("child", child, WUNTRACED);
    kill(child, SIGCONT);
    reap("child", child);
    return 0;
}
