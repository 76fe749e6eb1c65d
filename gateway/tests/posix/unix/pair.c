// about: a pair of streams: both directions, inherited by a child, EOF only after the last close, EPIPE, ECONNRESET
#include "case.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    char buf[8] = {0};
    if (role("child")) {
        MUST(read(60, buf, 4));
        MUST(write(60, "pong", 4));
        hear(0);
        return 0;
    }
    signal(SIGPIPE, SIG_IGN);
    int pair[2];
    make_line(0);
    SHOW(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
    SHOW(fcntl(pair[0], F_GETFD));
    MUST(dup2(pair[1], 60));
    close(pair[1]);
    pid_t child = start("child");
    MUST(write(pair[0], "ping", 4));
    SHOW(recv(pair[0], buf, 4, MSG_WAITALL));
    say("%s", buf);
    close(60);
    SHOW(recv(pair[0], buf, 1, MSG_DONTWAIT));
    tell(0);
    reap("child", child);
    SHOW(recv(pair[0], buf, 1, 0));
    SHOW(write(pair[0], "x", 1));
    look("the peer is gone", pair[0], POLLIN | POLLOUT | POLLRDHUP);
    close(pair[0]);
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    MUST(write(pair[0], "unread", 6));
    close(pair[1]);
    SHOW(recv(pair[0], buf, 1, 0));
    SHOW(recv(pair[0], buf, 1, 0));
    struct sockaddr_un name;
    MUST(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
    socklen_t len = sizeof name;
    SHOW(getsockname(pair[0], ADDRESS(name), &len));
    say("unnamed: %d", len == sizeof(sa_family_t));
    MUST(send(pair[0], "a", 1, 0));
    MUST(send(pair[0], "bc", 2, 0));
    SHOW(recv(pair[1], buf, 8, 0));
    SHOW(recv(pair[1], buf, 8, 0));
    return 0;
}
