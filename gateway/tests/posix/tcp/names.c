// about: getsockname() and getpeername() before and after bind, connect and accept, and cut to the room given
#include "case.h"

static struct sockaddr_in name_of(int fd, int peer) {
    struct sockaddr_in address;
    socklen_t len = sizeof address;
    memset(&address, 0, sizeof address);
    MUST(peer ? getpeername(fd, ADDRESS(address), &len) : getsockname(fd, ADDRESS(address), &len));
    return address;
}

int main(int argc, char **argv) {
    begin(argc, argv);
    int port, listening = listener(&port), fd = MUST(socket(AF_INET, SOCK_STREAM, 0));
    struct sockaddr_in address = inet_address("127.0.0.1", port), a, b;
    a = name_of(fd, 0);
    say("at first %x %d", (unsigned)ntohl(a.sin_addr.s_addr), ntohs(a.sin_port));
    socklen_t len = sizeof a;
    SHOW(getpeername(fd, ADDRESS(a), &len));
    MUST(connect(fd, ADDRESS(address), sizeof address));
    int other = MUST(accept(listening, NULL, NULL));
    a = name_of(fd, 0), b = name_of(other, 1);
    say("client: %x, the same port: %d, ephemeral: %d", (unsigned)ntohl(a.sin_addr.s_addr), a.sin_port == b.sin_port,
        ntohs(a.sin_port) >= 1024);
    a = name_of(fd, 1), b = name_of(other, 0);
    say("server: %x, its port: %d %d", (unsigned)ntohl(a.sin_addr.s_addr), ntohs(a.sin_port) == port, ntohs(b.sin_port) == port);
    SHOW(getsockname(99, ADDRESS(a), &len));
    SHOW(getsockname(1, ADDRESS(a), &len));
    SHOW(getpeername(listening, ADDRESS(a), &len));
    close(other);
    char byte;
    SHOW(recv(fd, &byte, 1, 0));
    len = sizeof a;
    SHOW(getpeername(fd, ADDRESS(a), &len));
    return 0;
}
