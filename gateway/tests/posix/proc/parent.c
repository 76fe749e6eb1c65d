// about: a child whose parent ended has another parent, and lives on
#include "case.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    if (role("grandchild")) {
        pid_t before = getppid();
        tell(0);
        hear(1);
        say("another parent: %d", getppid() != before);
        tell(2);
        return 0;
    }
    if (role("child")) {
        start("grandchild");
        hear(0);
        return 5;
    }
    for (int i = 0; i < 3; i++) make_line(i);
    reap("child", start("child"));
    SHOW(waitpid(-1, NULL, WNOHANG));
    tell(1);
    hear(2);
    return 0;
}
