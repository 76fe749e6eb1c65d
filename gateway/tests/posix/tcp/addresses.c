// about: which addresses may be bound beside which: the same, any, SO_REUSEADDR, and IPv6
#include "case.h"

static int try(const char *what, const char *host, int port, int reuse, int listens) {
    struct sockaddr_in address = inet_address(host, port);
    int fd = MUST(socket(AF_INET, SOCK_STREAM, 0));
    MUST(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof reuse));
    int done = bind(fd, ADDRESS(address), sizeof address);
    if (done == 0 && listens) done = listen(fd, 1);
    say("%s: %s", what, done == 0 ? "ok" : error_name(errno));
    if (done == 0) return fd;
    close(fd);
    return -1;
}

int main(int argc, char **argv) {
    begin(argc, argv);
    int port, listening = listener(&port);
    try("the same", "127.0.0.1", port, 0, 0);
    try("the same with SO_REUSEADDR", "127.0.0.1", port, 1, 0);
    try("any beside one", "0.0.0.0", port, 0, 0);
    close(try("another of ours", "127.0.0.2", port, 0, 1));
    close(listening);
    int fd = try("any", "0.0.0.0", port, 1, 1);
    try("one beside any", "127.0.0.1", port, 0, 0);
    struct sockaddr_in address = inet_address("127.0.0.1", port);
    int client = MUST(socket(AF_INET, SOCK_STREAM, 0));
    SHOW(connect(client, ADDRESS(address), sizeof address));
    int other = MUST(accept(fd, NULL, NULL));
    close(fd);
    close(other);
    char byte;
    SHOW(recv(client, &byte, 1, 0));
    fd = try("again with SO_REUSEADDR", "127.0.0.1", port, 1, 1);
    int a = try("both unheard, SO_REUSEADDR", "127.0.0.3", 0, 1, 0);
    struct sockaddr_in name;
    socklen_t len = sizeof name;
    MUST(getsockname(a, ADDRESS(name), &len));
    int b = try("both unheard, SO_REUSEADDR", "127.0.0.3", ntohs(name.sin_port), 1, 0);
    SHOW(listen(a, 1));
    SHOW(listen(b, 1));
    return 0;
}
