// about: record locks: ranges, their splitting, what F_GETLK tells, and that they are not inherited
#include "case.h"

static void lock(int fd, const char *what, int type, off_t start, off_t len) {
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len};
    int done = fcntl(fd, F_SETLK, &lock);
    say("%s %ld+%ld: %s", what, (long)start, (long)len, done == 0 ? "ok" : errno == EACCES ? "EAGAIN" : error_name(errno));
}
static void ask(int fd, const char *what, int type, off_t start, off_t len) {
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len};
    MUST(fcntl(fd, F_GETLK, &lock));
    if (lock.l_type == F_UNLCK) say("%s %ld+%ld: free", what, (long)start, (long)len);
    else
        say("%s %ld+%ld: %s of %s at %ld+%ld", what, (long)start, (long)len, lock.l_type == F_RDLCK ? "read" : "write",
            lock.l_pid == getppid() ? "the parent" : "another", (long)lock.l_start, (long)lock.l_len);
}

int main(int argc, char **argv) {
    begin(argc, argv);
    if (role("child")) {
        int fd = MUST(open("file", O_RDWR));
        ask(fd, "write", F_WRLCK, 0, 0);
        ask(fd, "read", F_RDLCK, 0, 0);
        ask(fd, "write", F_WRLCK, 20, 10);
        ask(fd, "write", F_WRLCK, 35, 1);
        ask(fd, "read", F_RDLCK, 100, 10);
        lock(fd, "write", F_WRLCK, 10, 5);
        lock(fd, "write", F_WRLCK, 20, 10);
        lock(fd, "read", F_RDLCK, 100, 50);
        lock(fd, "write", F_WRLCK, 100, 50);
        lock(fd, "unlock", F_UNLCK, 0, 0);
        return 0;
    }
    int fd = MUST(open("file", O_RDWR | O_CREAT, 0600));
    lock(fd, "write", F_WRLCK, 10, 30);
    lock(fd, "unlock", F_UNLCK, 20, 10);
    lock(fd, "read", F_RDLCK, 100, 0);
    ask(fd, "own", F_WRLCK, 0, 0);
    reap("child", start("child"));
    lock(fd, "write over read", F_WRLCK, 90, 20);
    lock(fd, "unlock all", F_UNLCK, 0, 0);
    return 0;
}
