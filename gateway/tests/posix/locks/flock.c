// about: flock(): shared beside shared, exclusive alone, freed by the last close of the description
#include "case.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    if (role("child")) {
        int fd = MUST(open("file", O_RDWR));
        SHOW(flock(fd, (argv[2][0] == 's' ? LOCK_SH : LOCK_EX) | LOCK_NB));
        return 0;
    }
    /* A child that inherited the description would hold it open too. */
    int fd = MUST(open("file", O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    SHOW(flock(fd, LOCK_SH));
    reap("shared", start_with("child", "s", NULL, NULL));
    reap("exclusive", start_with("child", "x", NULL, NULL));
    SHOW(flock(fd, LOCK_EX));
    reap("shared", start_with("child", "s", NULL, NULL));
    int copy = MUST(fcntl(fd, F_DUPFD_CLOEXEC, 10));
    close(fd);
    reap("a copy is open, exclusive", start_with("child", "x", NULL, NULL));
    close(copy);
    reap("closed, exclusive", start_with("child", "x", NULL, NULL));
    fd = MUST(open("file", O_RDONLY));
    int other = MUST(open("file", O_RDONLY));
    SHOW(flock(fd, LOCK_EX));
    SHOW(flock(other, LOCK_SH | LOCK_NB));
    SHOW(flock(fd, LOCK_UN));
    SHOW(flock(other, LOCK_SH | LOCK_NB));
    return 0;
}
