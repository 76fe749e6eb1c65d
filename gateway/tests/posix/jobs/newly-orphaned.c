// about: a stopped group whose last parent ends gets SIGHUP and SIGCONT
#include "case.h"

static void handler(int signal) { say("job caught %s", signal_name(signal)); }

int main(int argc, char **argv) {
    begin(argc, argv);
    if (role("job")) {
        handle_with(SIGHUP, handler, 0);
        raise(SIGSTOP);
        say("job goes on");
        tell(0);
        return 0;
    }
    if (role("shell")) {
        pid_t job = start_in_group("job", 0);
        reap_with("job", job, WUNTRACED);
        return 0;
    }
    make_line(0);
    pid_t shell = start("shell");
    hear(0);
    reap("shell", shell);
    return 0;
}
