// about: what the calls on datagram sockets refuse
#include "case.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    static char big[70000];
    struct sockaddr_in a, b, nobody = inet_address("127.0.0.1", 0);
    int bound = datagram_socket(&a), fd = MUST(socket(AF_INET, SOCK_DGRAM, 0)), other = datagram_socket(&b);
    SHOW(send(fd, "x", 1, 0));
    SHOW(write(fd, "x", 1));
    SHOW(sendto(fd, big, 65508, 0, ADDRESS(a), sizeof a));
    SHOW(sendto(fd, big, 65507, 0, ADDRESS(a), sizeof a));
    SHOW(recv(bound, big, sizeof big, 0));
    SHOW(sendto(fd, "x", 1, 0, ADDRESS(nobody), sizeof nobody));
    SHOW(listen(fd, 1));
    SHOW(accept(fd, NULL, NULL));
    SHOW(bind(other, ADDRESS(a), sizeof a));
    int fresh = MUST(socket(AF_INET, SOCK_DGRAM, 0));
    SHOW(bind(fresh, ADDRESS(a), sizeof a));
    SHOW(shutdown(fresh, SHUT_RD));
    SHOW(socket(AF_INET, SOCK_DGRAM, IPPROTO_TCP));
    SHOW(sendto(99, "x", 1, 0, ADDRESS(a), sizeof a));
    SHOW(sendto(1, "x", 1, 0, ADDRESS(a), sizeof a));
    SHOW(sendto(fd, "x", 1, 0, ADDRESS(a), 3));
    struct sockaddr_in off = {.sin_family = AF_UNSPEC};
    SHOW(connect(fd, ADDRESS(a), sizeof a));
    SHOW(send(fd, "x", 1, 0));
    (void)off;
    return 0;
}
