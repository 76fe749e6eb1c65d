// about: WNOHANG gives 0 while a child runs, its status once, and ECHILD after that
#include "case.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    if (role("child")) {
        hear(0);
        return 3;
    }
    make_line(0);
    pid_t child = start("child");
    int status = 1234;
    SHOW(waitpid(child, &status, WNOHANG));
    say("status is left alone: %d", status == 1234);
    tell(0);
    reap("child", child);
    SHOW(waitpid(child, &status, WNOHANG));
    SHOW(waitpid(-1, &status, WNOHANG));
    SHOW(waitpid(-1, &status, 0));
    return 0;
}
