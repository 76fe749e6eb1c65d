// about: a read that a stop interrupts goes on by itself after SIGCONT, also without SA_RESTART
#include "case.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    if (role("child")) {
        char byte;
        tell(0);
        SHOW(read(hearing(1), &byte, 1));
        return 0;
    }
    make_line(0), make_line(1);
    pid_t child = start_in_group("child", 0);
    hear(0);
    for (int i = 0; i < 5; i++) {
        MUST(kill(child, SIGSTOP));
        reap_with("child", child, WUNTRACED);
        MUST(kill(child, SIGCONT));
        reap_with("child", child, WCONTINUED);
    }
    MUST(kill(child, SIGSTOP));
    reap_with("child", child, WUNTRACED);
    tell(1);
    reap_with("stopped with input", child, WNOHANG);
    MUST(kill(child, SIGCONT));
    reap("child", child);
    return 0;
}
