// about: a child that has called exec is not moved to another group by its parent
#include "case.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    if (role("child")) {
        tell(0);
        hear(1);
        return 0;
    }
    make_line(0), make_line(1);
    pid_t child = start("child");
    hear(0);
    TRY(setpgid(child, child));
    tell(1);
    reap("child", child);
    return 0;
}
