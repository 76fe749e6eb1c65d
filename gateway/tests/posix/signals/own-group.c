// about: kill(0) reaches the sender's own group, the sender with it
#include "case.h"

static volatile int count;
static void handler(int signal) { count += signal == SIGUSR1; }

int main(int argc, char **argv) {
    begin(argc, argv);
    if (role("child")) {
        tell(0);
        hear(1);
        return 5;
    }
    make_line(0), make_line(1);
    handle_with(SIGUSR1, handler, 0);
    pid_t same = start("child"), apart = start_in_group("child", 0);
    hear(0), hear(0);
    SHOW(kill(0, SIGUSR1));
    say("count %d", count);
    reap("same", same);
    tell(1);
    reap("apart", apart);
    return 0;
}
