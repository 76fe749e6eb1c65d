// about: options of a stream socket: kind, listening, timeouts that really come, and what is no option
#include "case.h"
#include <netinet/tcp.h>

static void get(const char *what, int fd, int level, int name) {
    int value = -1;
    socklen_t len = sizeof value;
    if (getsockopt(fd, level, name, &value, &len) != 0) say("%s: %s", what, error_name(errno));
    else say("%s: %d, %d bytes", what, value, (int)len);
}

int main(int argc, char **argv) {
    begin(argc, argv);
    int port, listening = listener(&port), pair[2], one = 1;
    char byte;
    tcp_pair(pair);
    int type;
    socklen_t len = sizeof type;
    MUST(getsockopt(pair[0], SOL_SOCKET, SO_TYPE, &type, &len));
    say("stream: %d", type == SOCK_STREAM);
    get("listens", listening, SOL_SOCKET, SO_ACCEPTCONN);
    get("listens", pair[0], SOL_SOCKET, SO_ACCEPTCONN);
    get("keepalive", pair[0], SOL_SOCKET, SO_KEEPALIVE);
    SHOW(setsockopt(pair[0], SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one));
    get("keepalive", pair[0], SOL_SOCKET, SO_KEEPALIVE);
    SHOW(setsockopt(pair[0], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one));
    get("error", pair[0], SOL_SOCKET, SO_ERROR);
    struct timeval soon = {0, 10000}, never = {0, 0}, bad = {0, 1000000};
    SHOW(setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof soon));
    SHOW(recv(pair[0], &byte, 1, 0));
    SHOW(setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &bad, sizeof bad));
    SHOW(setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &never, sizeof never));
    SHOW(setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &never, 1));
    SHOW(setsockopt(99, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one));
    SHOW(setsockopt(1, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one));
    SHOW(getsockopt(99, SOL_SOCKET, SO_ERROR, &one, &len));
    return 0;
}
