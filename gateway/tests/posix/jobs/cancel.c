// about: SIGCONT takes back a pending stop signal, and a stop signal a pending SIGCONT
#include "case.h"

static void handler(int signal) { say("caught %s", signal_name(signal)); }

int main(int argc, char **argv) {
    begin(argc, argv);
    if (role("child")) {
        block(SIGTSTP);
        raise(SIGTSTP);
        raise(SIGCONT);
        unblock(SIGTSTP);
        say("not stopped");
        handle_with(SIGCONT, handler, 0);
        block(SIGCONT), block(SIGTSTP);
        raise(SIGCONT);
        raise(SIGTSTP);
        unblock(SIGCONT);
        say("not caught");
        unblock(SIGTSTP);
        say("on");
        return 2;
    }
    pid_t child = start_in_group("child", 0);
    reap_with("child", child, WUNTRACED);
    kill(child, SIGCONT);
    reap("child", child);
    return 0;
}
