// about: nobody listens: ECONNREFUSED at once, and the socket can be tried again
#include "case.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    int port, listening = listener(&port), fd = MUST(socket(AF_INET, SOCK_STREAM, 0));
    struct sockaddr_in address = inet_address("127.0.0.1", port);
    close(listening);
    SHOW(connect(fd, ADDRESS(address), sizeof address));
    SHOW(connect(fd, ADDRESS(address), sizeof address));
    say("SO_ERROR %s", error_name(socket_error(fd)));
    /* Bound, and not listening. */
    int bound = MUST(socket(AF_INET, SOCK_STREAM, 0));
    MUST(bind(bound, ADDRESS(address), sizeof address));
    SHOW(connect(fd, ADDRESS(address), sizeof address));
    MUST(listen(bound, 1));
    SHOW(connect(fd, ADDRESS(address), sizeof address));
    return 0;
}
