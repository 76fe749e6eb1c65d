// about: a handler of SIGCONT runs when a process is continued, and SIGCONT also comes to one that runs
#include "case.h"

static void handler(int signal) { say("caught %s", signal_name(signal)); }

int main(int argc, char **argv) {
    begin(argc, argv);
    if (role("child")) {
        handle_with(SIGCONT, handler, 0);
        raise(SIGCONT);
        raise(SIGSTOP);
        say("on");
        return 0;
    }
    if (role("blocker")) {
        handle_with(SIGCONT, handler, 0);
        block(SIGCONT);
        raise(SIGSTOP);
        say("on, and not caught yet");
        unblock(SIGCONT);
        return 0;
    }
    pid_t child = start_in_group("child", 0);
    reap_with("child", child, WUNTRACED);
    kill(child, SIGCONT);
    reap("child", child);
    child = start_in_group("blocker", 0);
    reap_with("blocker", child, WUNTRACED);
    kill(child, SIGCONT);
    reap("blocker", child);
    return 0;
}
