// about: closing with unread bytes resets the connection: ECONNRESET once, then the end, then EPIPE
#include "case.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    signal(SIGPIPE, SIG_IGN);
    int pair[2];
    char byte;
    tcp_pair(pair);
    MUST(send(pair[0], "unread", 6, 0));
    await(pair[1], POLLIN);
    close(pair[1]);
    await(pair[0], POLLIN);
    SHOW(recv(pair[0], &byte, 1, 0));
    SHOW(recv(pair[0], &byte, 1, 0));
    SHOW(send(pair[0], "x", 1, 0));
    close(pair[0]);
    /* Lingering for no time resets too. */
    struct linger none = {1, 0};
    tcp_pair(pair);
    MUST(setsockopt(pair[1], SOL_SOCKET, SO_LINGER, &none, sizeof none));
    close(pair[1]);
    await(pair[0], POLLIN);
    say("SO_ERROR %s", error_name(socket_error(pair[0])));
    SHOW(recv(pair[0], &byte, 1, 0));
    return 0;
}
