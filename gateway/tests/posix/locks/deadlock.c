// about: of two processes that would wait for each other's record lock, one gets EDEADLK
#include "case.h"

static int lock(int fd, int command, int type, off_t at) {
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = at, .l_len = 1};
    return fcntl(fd, command, &lock);
}
/* 1 if it was a deadlock. What it holds is freed then, so that the other goes on. */
static int second(int fd, off_t mine, off_t theirs) {
    if (lock(fd, F_SETLKW, F_WRLCK, theirs) == 0) return 0;
    if (errno != EDEADLK) say("unexpected: %s", error_name(errno));
    MUST(lock(fd, F_SETLK, F_UNLCK, mine));
    return 1;
}

int main(int argc, char **argv) {
    begin(argc, argv);
    int fd = MUST(open("file", O_RDWR | O_CREAT, 0600));
    if (role("child")) {
        MUST(lock(fd, F_SETLK, F_WRLCK, 1));
        tell(0);
        return second(fd, 1, 0);
    }
    make_line(0);
    MUST(lock(fd, F_SETLK, F_WRLCK, 0));
    pid_t child = start("child");
    hear(0);
    int deadlocks = second(fd, 0, 1), status;
    if (!deadlocks) MUST(lock(fd, F_SETLK, F_UNLCK, 0));
    MUST(waitpid(child, &status, 0));
    say("deadlocks: %d", deadlocks + WEXITSTATUS(status));
    return 0;
}
