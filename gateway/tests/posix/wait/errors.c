// about: waitpid() refuses unknown options, and processes that are not its own children
#include "case.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    if (role("child")) {
        SHOW(waitpid(getppid(), NULL, 0));
        SHOW(waitpid(atoi(argv[2]), NULL, WNOHANG));
        SHOW(waitpid(getpid(), NULL, 0));
        return 0;
    }
    if (role("sleeper")) {
        hear(0);
        return 0;
    }
    make_line(0);
    char number[16];
    pid_t sleeper = start("sleeper");
    snprintf(number, sizeof number, "%d", sleeper);
    reap("child", start_with("child", number, NULL, NULL));
    SHOW(waitpid(sleeper, NULL, 64));
    SHOW(waitpid(sleeper, NULL, WNOHANG | 128));
    SHOW(waitpid(99999999, NULL, 0));
    SHOW(waitpid(-99999999, NULL, 0));
    SHOW(waitpid(1, NULL, WNOHANG));
    tell(0);
    reap("sleeper", sleeper);
    return 0;
}
