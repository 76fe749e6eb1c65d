// about: dup(), dup2(), dup3() and F_DUPFD: lowest numbers, one offset, one CLOEXEC each
#include "case.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    int fd = MUST(open("file", O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    SHOW(fd);
    SHOW(dup(fd));
    SHOW(fcntl(4, F_GETFD));
    SHOW(fcntl(3, F_GETFD));
    SHOW(dup2(fd, 10));
    SHOW(dup2(fd, fd));
    SHOW(fcntl(fd, F_GETFD));
    SHOW(dup3(fd, 12, O_CLOEXEC));
    SHOW(fcntl(12, F_GETFD));
    SHOW(dup3(fd, fd, 0));
    SHOW(fcntl(fd, F_DUPFD, 10));
    SHOW(fcntl(fd, F_DUPFD_CLOEXEC, 5));
    SHOW(fcntl(5, F_GETFD));
    MUST(write(10, "abc", 3));
    SHOW(lseek(4, 0, SEEK_CUR));
    close(4);
    SHOW(dup(fd));
    SHOW(dup(99));
    SHOW(dup2(99, 4));
    SHOW(fcntl(4, F_GETFD));
    SHOW(dup2(fd, -1));
    SHOW(dup2(fd, 1024));
    SHOW(dup2(fd, 1023));
    SHOW(fcntl(fd, F_DUPFD, 1024));
    SHOW(fcntl(fd, F_DUPFD, -1));
    SHOW(fcntl(99, F_DUPFD, 0));
    SHOW(close(99));
    SHOW(close(-1));
    return 0;
}
