// about: the interrupt key ends what runs in the foreground, and nobody else
#include "case.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    if (role("job")) {
        tell(0);
        hear(1);
        return 7;
    }
    if (role("shell")) {
        handle_with(SIGTTOU, SIG_IGN, 0);
        pid_t job = start_in_group("job", 0), behind = start_in_group("job", 0);
        hear(0), hear(0);
        SHOW(tcsetpgrp(0, job));
        tell(2);
        reap("job", job);
        SHOW(tcsetpgrp(0, getpgrp()));
        reap_with("behind", behind, WNOHANG);
        tell(1);
        reap("behind", behind);
        return 0;
    }
    for (int i = 0; i < 3; i++) make_line(i);
    int master, slave;
    terminal(&master, &slave);
    pid_t shell = start_on_terminal("shell", slave);
    hear(2);
    type(master, "\003");
    reap("shell", shell);
    return 0;
}
