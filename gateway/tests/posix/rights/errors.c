// about: sending what is no descriptor, or over what is no socket, sends nothing
#include "case.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    int pair[2], fds[8], count = 8, flags, bad[2] = {0, 99};
    char buf[16];
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    SHOW(send_fds(pair[0], "x", bad, 2));
    SHOW(receive_fds(pair[1], buf, sizeof buf, fds, &count, MSG_DONTWAIT, &flags));
    SHOW(send_fds(99, "x", bad, 1));
    SHOW(send_fds(1, "x", bad, 1));
    SHOW(receive_fds(99, buf, sizeof buf, fds, &count, 0, &flags));
    SHOW(receive_fds(1, buf, sizeof buf, fds, &count, 0, &flags));
    close(pair[1]);
    SHOW(send_fds(pair[0], "x", bad, 1));
    int fresh = MUST(socket(AF_UNIX, SOCK_STREAM, 0));
    SHOW(send_fds(fresh, "x", bad, 1));
    return 0;
}
