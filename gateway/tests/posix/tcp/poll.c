// about: what poll() says of a listener, a fresh socket, a connection, its ends and its halves
#include "case.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    int port, listening = listener(&port), fd = MUST(socket(AF_INET, SOCK_STREAM, 0));
    struct sockaddr_in address = inet_address("127.0.0.1", port);
    const int all = POLLIN | POLLOUT | POLLRDHUP;
    look("fresh", fd, all);
    look("listener", listening, all);
    MUST(connect(fd, ADDRESS(address), sizeof address));
    await(listening, POLLIN);
    look("listener with one", listening, all);
    int other = MUST(accept(listening, NULL, NULL));
    look("connected", fd, all);
    MUST(send(fd, "x", 1, 0));
    await(other, POLLIN);
    look("with a byte", other, all);
    MUST(shutdown(fd, SHUT_WR));
    await(other, POLLRDHUP);
    look("half closed by the peer", other, all);
    look("half closed", fd, all);
    char byte;
    MUST(recv(other, &byte, 1, 0));
    look("at its end", other, all);
    MUST(shutdown(other, SHUT_WR));
    await(fd, POLLRDHUP);
    look("both halves closed", fd, all);
    look("both halves closed", other, all);
    return 0;
}
