// about: a descriptor on its way is open: the end of a pipe comes when the received one is closed, or never received
#include "case.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    int pair[2], ends[2], fds[2], count = 2, flags;
    char buf[8] = {0};
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    MUST(pipe2(ends, O_NONBLOCK));
    MUST(send_fds(pair[0], "x", &ends[1], 1));
    close(ends[1]);
    SHOW(read(ends[0], buf, 8));
    MUST(receive_fds(pair[1], buf, 8, fds, &count, 0, &flags));
    MUST(write(fds[0], "late", 4));
    SHOW(read(ends[0], buf, 8));
    close(fds[0]);
    SHOW(read(ends[0], buf, 8));
    MUST(pipe2(ends, O_NONBLOCK));
    MUST(send_fds(pair[0], "x", &ends[1], 1));
    close(ends[1]);
    SHOW(read(ends[0], buf, 8));
    close(pair[1]);
    SHOW(read(ends[0], buf, 8));
    MUST(pipe2(ends, O_NONBLOCK));
    SHOW(send_fds(pair[0], "x", &ends[1], 1));
    close(ends[1]);
    SHOW(read(ends[0], buf, 8));
    return 0;
}
