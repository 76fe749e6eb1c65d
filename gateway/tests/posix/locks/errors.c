// about: what flock() and the record locks refuse
#include "case.h"

static int lock(int fd, int command, int type, int whence, off_t start, off_t len) {
    struct flock lock = {.l_type = type, .l_whence = whence, .l_start = start, .l_len = len};
    return fcntl(fd, command, &lock);
}

int main(int argc, char **argv) {
    begin(argc, argv);
    int both = MUST(open("file", O_RDWR | O_CREAT, 0600)), reads = MUST(open("file", O_RDONLY));
    int writes = MUST(open("file", O_WRONLY)), ends[2];
    MUST(pipe(ends));
    SHOW(flock(99, LOCK_EX));
    SHOW(flock(both, 0));
    SHOW(flock(both, LOCK_SH | LOCK_EX));
    SHOW(flock(both, 64));
    SHOW(flock(both, LOCK_UN));
    SHOW(flock(reads, LOCK_EX));
    SHOW(flock(both, LOCK_SH | LOCK_NB));
    SHOW(flock(reads, LOCK_UN));
    SHOW(lock(99, F_SETLK, F_WRLCK, SEEK_SET, 0, 0));
    SHOW(lock(reads, F_SETLK, F_WRLCK, SEEK_SET, 0, 0));
    SHOW(lock(writes, F_SETLK, F_RDLCK, SEEK_SET, 0, 0));
    SHOW(lock(both, F_SETLK, 77, SEEK_SET, 0, 0));
    SHOW(lock(both, F_SETLK, F_WRLCK, 77, 0, 0));
    SHOW(lock(both, F_SETLK, F_WRLCK, SEEK_SET, -1, 1));
    SHOW(lock(both, F_SETLK, F_WRLCK, SEEK_SET, 5, -6));
    SHOW(lock(both, F_SETLK, F_WRLCK, SEEK_SET, 5, -5));
    SHOW(lock(both, F_GETLK, F_UNLCK, SEEK_SET, 0, 0));
    MUST(write(both, "0123456789", 10));
    SHOW(lock(both, F_SETLK, F_WRLCK, SEEK_CUR, -4, 2));
    SHOW(lock(both, F_SETLK, F_WRLCK, SEEK_END, -20, 2));
    SHOW(lock(both, F_SETLK, F_UNLCK, SEEK_SET, 0, 0));
    SHOW(lock(reads, F_SETLK, F_RDLCK, SEEK_SET, 0x7fffffffffffffffLL, 1));
    SHOW(lock(reads, F_SETLK, F_RDLCK, SEEK_SET, 0x7fffffffffffffffLL, 2));
    return 0;
}
