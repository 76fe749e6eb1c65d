// about: what each signal does to a process that does nothing about it
#include "case.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    if (role("child")) {
        raise(atoi(argv[2]));
        return 42;
    }
    for (int signal = 1; signal < 32; signal++) {
        char number[8];
        if (signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU) continue;
        snprintf(number, sizeof number, "%d", signal);
        say("-- %s", signal_name(signal));
        reap("child", start_with("child", number, NULL, NULL));
    }
    return 0;
}
