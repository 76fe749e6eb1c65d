// about: kill() of a negative number and killpg() reach every process of the group and nobody else
#include "case.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    if (role("child")) {
        tell(0);
        hear(1);
        return 5;
    }
    make_line(0), make_line(1);
    pid_t first = start_in_group("child", 0), second = start_in_group("child", first), apart = start_in_group("child", 0);
    for (int i = 0; i < 3; i++) hear(0);
    SHOW(kill(-first, 0));
    SHOW(kill(-first, SIGUSR1));
    reap("first", first);
    reap("second", second);
    reap_with("apart", apart, WNOHANG);
    SHOW(kill(-first, SIGUSR1));
    tell(1);
    reap("apart", apart);
    SHOW(killpg(apart, SIGUSR1));
    return 0;
}
