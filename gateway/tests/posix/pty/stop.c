// about: the stop key stops the foreground job, and the shell puts it behind and in front again
#include "case.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    if (role("job")) {
        tell(0);
        hear(2);
        take("job", 0, 100);
        return 4;
    }
    if (role("shell")) {
        handle_with(SIGTTOU, SIG_IGN, 0);
        pid_t job = start_in_group("job", 0);
        tcsetpgrp(0, job);
        hear(0);
        tell(1);
        reap_with("job", job, WUNTRACED);
        tell(2);
        MUST(tcsetpgrp(0, getpgrp()));
        MUST(kill(-job, SIGCONT));
        reap_with("job", job, WUNTRACED);
        MUST(tcsetpgrp(0, job));
        MUST(kill(-job, SIGCONT));
        tell(1);
        reap("job", job);
        return 0;
    }
    make_line(0), make_line(1), make_line(2);
    int master, slave;
    terminal(&master, &slave);
    pid_t shell = start_on_terminal("shell", slave);
    hear(1);
    type(master, "\032");
    hear(1);
    type(master, "on\n");
    reap("shell", shell);
    return 0;
}
