// about: a stopped process takes no signal but SIGKILL until it is continued, and then all that came
#include "case.h"

static void handler(int signal) { say("caught %s", signal_name(signal)); }

int main(int argc, char **argv) {
    begin(argc, argv);
    if (role("child")) {
        handle_with(SIGUSR1, handler, 0);
        raise(SIGSTOP);
        say("on");
        raise(SIGSTOP);
        say("not reached");
        return 1;
    }
    pid_t child = start_in_group("child", 0);
    reap_with("child", child, WUNTRACED);
    MUST(kill(child, SIGUSR1));
    reap_with("still stopped", child, WUNTRACED | WNOHANG);
    MUST(kill(child, SIGCONT));
    reap_with("child", child, WUNTRACED);
    MUST(kill(child, SIGTERM));
    reap_with("still stopped", child, WNOHANG);
    MUST(kill(child, SIGCONT));
    reap("child", child);
    child = start_in_group("child", 0);
    reap_with("child", child, WUNTRACED);
    MUST(kill(child, SIGKILL));
    reap("child", child);
    return 0;
}
