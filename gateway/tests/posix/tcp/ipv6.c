// about: a connection over ::1
#include "case.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    struct sockaddr_in6 address, name;
    memset(&address, 0, sizeof address);
    address.sin6_family = AF_INET6;
    inet_pton(AF_INET6, "::1", &address.sin6_addr);
    int listening = MUST(socket(AF_INET6, SOCK_STREAM, 0)), fd = MUST(socket(AF_INET6, SOCK_STREAM, 0));
    socklen_t len = sizeof address;
    SHOW(bind(listening, ADDRESS(address), sizeof address));
    MUST(listen(listening, 1));
    MUST(getsockname(listening, ADDRESS(address), &len));
    SHOW(connect(fd, ADDRESS(address), sizeof address));
    len = sizeof name;
    int other = MUST(accept(listening, ADDRESS(name), &len));
    char text[64];
    say("%s %d", inet_ntop(AF_INET6, &name.sin6_addr, text, sizeof text), (int)len == sizeof name);
    MUST(write(fd, "x", 1));
    SHOW(read(other, text, 8));
    return 0;
}
