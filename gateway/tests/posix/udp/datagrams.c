// about: datagrams keep their borders and their sender; a short buffer cuts one, and an empty one is one
#include "case.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    struct sockaddr_in a, b, from;
    int fd = datagram_socket(&a), other = datagram_socket(&b);
    char buf[16] = {0};
    socklen_t len = sizeof from;
    SHOW(sendto(fd, "first", 5, 0, ADDRESS(b), sizeof b));
    SHOW(sendto(fd, "", 0, 0, ADDRESS(b), sizeof b));
    SHOW(sendto(fd, "third one", 9, 0, ADDRESS(b), sizeof b));
    SHOW(recvfrom(other, buf, sizeof buf, 0, ADDRESS(from), &len));
    say("%s, from the sender: %d, %d", buf, from.sin_port == a.sin_port, len == sizeof from);
    SHOW(recvfrom(other, buf, sizeof buf, 0, NULL, NULL));
    SHOW(recvfrom(other, buf, 4, MSG_PEEK, NULL, NULL));
    SHOW(recvfrom(other, buf, 4, MSG_PEEK | MSG_TRUNC, NULL, NULL));
    SHOW(recvfrom(other, buf, 5, 0, NULL, NULL));
    SHOW(recvfrom(other, buf, 5, MSG_DONTWAIT, NULL, NULL));
    look("empty", other, POLLIN | POLLOUT);
    MUST(sendto(fd, "x", 1, 0, ADDRESS(b), sizeof b));
    look("with one", other, POLLIN | POLLOUT);
    SHOW(read(other, buf, 16));
    /* To itself. */
    MUST(sendto(fd, "self", 4, 0, ADDRESS(a), sizeof a));
    SHOW(read(fd, buf, 16));
    return 0;
}
