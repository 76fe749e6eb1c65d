// about: several descriptors in a message, their borders in a stream, too little room, and CLOEXEC
#include "case.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    int pair[2], made[3], fds[8], count, flags;
    char buf[16] = {0};
    for (int i = 0; i < 3; i++) made[i] = MUST(dup(0));
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    MUST(write(pair[0], "plain", 5));
    MUST(send_fds(pair[0], "three", made, 3));
    MUST(send_fds(pair[0], "one", made, 1));
    MUST(write(pair[0], "tail", 4));
    for (int i = 0; i < 3; i++) {
        memset(buf, 0, sizeof buf);
        count = 8;
        SHOW(receive_fds(pair[1], buf, sizeof buf, fds, &count, 0, &flags));
        say("%s with %d, flags %d", buf, count, flags);
    }
    MUST(send_fds(pair[0], "cut", made, 3));
    count = 1;
    SHOW(receive_fds(pair[1], buf, sizeof buf, fds, &count, MSG_CMSG_CLOEXEC, &flags));
    say("%d, cut: %d", count, (flags & MSG_CTRUNC) != 0);
    SHOW(fcntl(fds[0], F_GETFD));
    MUST(send_fds(pair[0], "none", made, 2));
    count = 0;
    SHOW(receive_fds(pair[1], buf, sizeof buf, fds, &count, 0, &flags));
    say("%d, cut: %d", count, (flags & MSG_CTRUNC) != 0);
    MUST(send_fds(pair[0], "read", made, 1));
    SHOW(read(pair[1], buf, sizeof buf));
    MUST(send_fds(pair[0], "peeked", made, 1));
    count = 8;
    SHOW(receive_fds(pair[1], buf, sizeof buf, fds, &count, MSG_PEEK, &flags));
    say("peeked: %d", count);
    count = 8;
    SHOW(receive_fds(pair[1], buf, sizeof buf, fds, &count, 0, &flags));
    say("taken: %d", count);
    return 0;
}
