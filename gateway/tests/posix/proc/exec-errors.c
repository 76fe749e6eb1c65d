// about: an exec that fails leaves the program as it was
#include "case.h"

static volatile int count;
static void handler(int signal) { count += signal == SIGUSR1; }

int main(int argc, char **argv) {
    begin(argc, argv);
    char *none[] = {"x", NULL};
    int file = MUST(open("file", O_RDWR | O_CREAT | O_CLOEXEC, 0755));
    MUST(write(file, "text", 4));
    handle_with(SIGUSR1, handler, 0);
    SHOW(execv("missing", none));
    SHOW(execv(".", none));
    SHOW(execv("file/x", none));
    MUST(fchmod(file, 0644));
    SHOW(execv("file", none));
    SHOW(fcntl(file, F_GETFD));
    raise(SIGUSR1);
    say("handled %d", count);
    static char name[300], path[5000];
    memset(name, 'n', 299), memset(path, 'p', 4999);
    for (int i = 99; i < 4999; i += 100) path[i] = '/';
    SHOW(execv(name, none));
    SHOW(execv(path, none));
    symlink("loop", "loop");
    SHOW(execv("loop", none));
    return 0;
}
