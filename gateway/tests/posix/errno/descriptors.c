// about: each error of pipe(), dup(), fcntl(), close() and fsync()
#include "case.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    int ends[2], file = MUST(open("file", O_RDWR | O_CREAT, 0600));
    MUST(pipe(ends));
    SHOW(pipe2(ends, 0x40));
    SHOW(close(99));
    SHOW(close(file));
    SHOW(close(file));
    SHOW(fcntl(99, F_GETFD));
    SHOW(fcntl(99, F_SETFD, 0));
    SHOW(fcntl(99, F_GETFL));
    SHOW(fcntl(99, F_SETFL, 0));
    SHOW(fcntl(0, 9999));
    SHOW(fsync(99));
    SHOW(fsync(ends[0]));
    SHOW(isatty(99));
    SHOW((isatty(ends[0]), errno == ENOTTY || errno == EINVAL ? 1 : 0));
    struct winsize size;
    SHOW(ioctl(ends[0], TIOCGWINSZ, &size));
    SHOW(ioctl(99, TIOCGWINSZ, &size));
    SHOW(tcgetpgrp(ends[0]));
    SHOW(tcsetpgrp(ends[0], getpgrp()));
    SHOW(tcgetpgrp(99));
    return 0;
}
