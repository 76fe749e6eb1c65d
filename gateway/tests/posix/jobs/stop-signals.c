// about: SIGTSTP, SIGTTIN and SIGTTOU stop a process of a group that is not orphaned, and can be caught or ignored
#include "case.h"

static void handler(int signal) { say("caught %s", signal_name(signal)); }

int main(int argc, char **argv) {
    begin(argc, argv);
    static const int stops[] = {SIGTSTP, SIGTTIN, SIGTTOU};
    if (role("child")) {
        for (int i = 0; i < 3; i++) raise(stops[i]);
        for (int i = 0; i < 3; i++) {
            handle_with(stops[i], handler, 0);
            raise(stops[i]);
            handle_with(stops[i], SIG_IGN, 0);
            raise(stops[i]);
        }
        return 6;
    }
    pid_t child = start_in_group("child", 0);
    for (int i = 0; i < 3; i++) {
        reap_with("child", child, WUNTRACED);
        kill(child, SIGCONT);
    }
    reap_with("child", child, WUNTRACED);
    return 0;
}
