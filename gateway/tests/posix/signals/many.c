// about: signals that keep coming interrupt nothing that is complete, and none is lost for good
#include "case.h"

static volatile int count;
static void handler(int signal) { count += signal == SIGUSR1; }

int main(int argc, char **argv) {
    begin(argc, argv);
    if (role("child")) {
        for (int i = 0; i < 500; i++) kill(getppid(), SIGUSR1);
        return 0;
    }
    handle_with(SIGUSR1, handler, SA_RESTART);
    make_line(0);
    pid_t child = start("child");
    int bytes = 0;
    for (int i = 0; i < 2000; i++) {
        char byte;
        bytes += write(telling(0), "x", 1) == 1 && read(hearing(0), &byte, 1) == 1;
    }
    int status;
    pid_t found;
    do found = waitpid(child, &status, 0);
    while (found == -1 && errno == EINTR);
    say("bytes %d, handled %s, child %d", bytes, count >= 1 && count <= 500 ? "some" : "none", WEXITSTATUS(status));
    return 0;
}
