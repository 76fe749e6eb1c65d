// about: a connected socket has one peer: send() without address, nothing from others, ECONNREFUSED when it is gone
#include "case.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    struct sockaddr_in a, b, c;
    int fd = datagram_socket(&a), peer = datagram_socket(&b), stranger = datagram_socket(&c);
    char buf[16];
    SHOW(connect(fd, ADDRESS(b), sizeof b));
    SHOW(send(fd, "hello", 5, 0));
    SHOW(recv(peer, buf, sizeof buf, 0));
    MUST(sendto(stranger, "no", 2, 0, ADDRESS(a), sizeof a));
    SHOW(recv(fd, buf, sizeof buf, MSG_DONTWAIT));
    MUST(sendto(peer, "yes", 3, 0, ADDRESS(a), sizeof a));
    SHOW(recv(fd, buf, sizeof buf, 0));
    SHOW(write(fd, "w", 1));
    SHOW(read(peer, buf, sizeof buf));
    close(peer);
    SHOW(send(fd, "lost", 4, 0));
    look("refused", fd, POLLIN | POLLOUT);
    SHOW(send(fd, "again", 5, 0));
    SHOW(send(fd, "lost", 4, 0));
    SHOW(recv(fd, buf, sizeof buf, 0));
    SHOW(send(fd, "lost", 4, 0));
    say("SO_ERROR %s", error_name(socket_error(fd)));
    say("SO_ERROR %s", error_name(socket_error(fd)));
    return 0;
}
