// about: datagram sockets at paths: the sender's name, borders, and a receiver that is gone
#include "case.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    struct sockaddr_un a = unix_address("a"), b = unix_address("b"), from, missing = unix_address("missing");
    int fd = MUST(socket(AF_UNIX, SOCK_DGRAM, 0)), other = MUST(socket(AF_UNIX, SOCK_DGRAM, 0));
    char buf[16] = {0};
    MUST(bind(fd, ADDRESS(a), sizeof a));
    MUST(bind(other, ADDRESS(b), sizeof b));
    SHOW(sendto(fd, "one", 3, 0, ADDRESS(b), sizeof b));
    SHOW(sendto(fd, "second", 6, 0, ADDRESS(b), sizeof b));
    socklen_t len = sizeof from;
    memset(&from, 0, sizeof from);
    SHOW(recvfrom(other, buf, sizeof buf, 0, ADDRESS(from), &len));
    say("%s from %s", buf, from.sun_path);
    SHOW(recv(other, buf, 3, 0));
    SHOW(recv(other, buf, 3, MSG_DONTWAIT));
    SHOW(sendto(fd, "x", 1, 0, ADDRESS(missing), sizeof missing));
    SHOW(send(fd, "x", 1, 0));
    SHOW(connect(fd, ADDRESS(b), sizeof b));
    SHOW(send(fd, "x", 1, 0));
    close(other);
    SHOW(send(fd, "x", 1, 0));
    SHOW(send(fd, "x", 1, 0));
    SHOW(connect(fd, ADDRESS(b), sizeof b));
    SHOW(listen(fd, 1));
    return 0;
}
