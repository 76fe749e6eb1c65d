// about: a lock of flock() belongs to the open file: a child that inherits it may unlock it, and keeps it held
#include "case.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    if (role("holder")) {
        tell(0);
        hear(1);
        return 0;
    }
    if (role("unlocker")) {
        SHOW(flock(40, LOCK_UN));
        return 0;
    }
    make_line(0), make_line(1);
    int fd = MUST(open("file", O_RDWR | O_CREAT, 0600)), other = MUST(open("file", O_RDWR | O_CLOEXEC));
    MUST(dup2(fd, 40));
    close(fd);
    SHOW(flock(40, LOCK_EX));
    reap("unlocker", start("unlocker"));
    SHOW(flock(other, LOCK_EX | LOCK_NB));
    SHOW(flock(other, LOCK_UN));
    SHOW(flock(40, LOCK_EX));
    pid_t holder = start("holder");
    hear(0);
    close(40);
    SHOW(flock(other, LOCK_EX | LOCK_NB));
    tell(1);
    reap("holder", holder);
    SHOW(flock(other, LOCK_EX | LOCK_NB));
    return 0;
}
