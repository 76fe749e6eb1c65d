// about: exec keeps the process: its number, its open files but those with CLOEXEC, its directory and its umask
#include "case.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    if (role("after")) {
        say("same process: %d", atoi(argv[2]) == getpid());
        SHOW(fcntl(30, F_GETFD));
        SHOW(fcntl(31, F_GETFD));
        say("umask %o", (unsigned)umask(0));
        say("value %s", getenv("VALUE"));
        SHOW(lseek(30, 0, SEEK_CUR));
        return 8;
    }
    if (role("child")) {
        char number[16], *next[] = {argv[0], "after", number, NULL}, *with[] = {"VALUE=x=y", NULL};
        snprintf(number, sizeof number, "%d", getpid());
        int fd = MUST(open("file", O_RDWR | O_CREAT, 0600));
        MUST(write(fd, "abc", 3));
        MUST(dup2(fd, 30));
        MUST(dup2(fd, 31));
        MUST(fcntl(31, F_SETFD, FD_CLOEXEC));
        umask(027);
        MUST(execve(argv[0], next, with));
    }
    reap("child", start("child"));
    return 0;
}
