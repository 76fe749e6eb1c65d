// about: a descriptor sent over a socket is another of the same open file
#include "case.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    int fds[4], count = 4, flags;
    char buf[16] = {0};
    if (role("child")) {
        SHOW(receive_fds(60, buf, sizeof buf, fds, &count, 0, &flags));
        say("%s with %d", buf, count);
        SHOW(lseek(fds[0], 0, SEEK_CUR));
        MUST(write(fds[0], "def", 3));
        SHOW(fcntl(fds[0], F_GETFD));
        return 0;
    }
    int pair[2], fd = MUST(open("file", O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    MUST(write(fd, "abc", 3));
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    MUST(dup2(pair[1], 60));
    SHOW(send_fds(pair[0], "take", &fd, 1));
    reap("child", start("child"));
    SHOW(lseek(fd, 0, SEEK_CUR));
    SHOW(pread(fd, buf, 16, 0));
    say("%s", buf);
    return 0;
}
