// about: without blocking: EAGAIN for what would wait, EINPROGRESS while connecting, and poll() for the rest
#include "case.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    int port, listening = listener(&port), fd = MUST(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
    struct sockaddr_in address = inet_address("127.0.0.1", port);
    char buf[65536];
    memset(buf, 'x', sizeof buf);
    MUST(fcntl(listening, F_SETFL, O_NONBLOCK));
    SHOW(accept(listening, NULL, NULL));
    int done = connect(fd, ADDRESS(address), sizeof address);
    say("connecting: %d", done == 0 || errno == EINPROGRESS);
    await(fd, POLLOUT);
    say("SO_ERROR %d", socket_error(fd));
    await(listening, POLLIN);
    int other = MUST(accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC));
    SHOW(fcntl(other, F_GETFD));
    say("nonblocking: %d %d", (fcntl(other, F_GETFL) & O_NONBLOCK) != 0, (fcntl(listening, F_GETFL) & O_NONBLOCK) != 0);
    SHOW(recv(other, buf, 1, 0));
    SHOW(read(other, buf, 1));
    long sent = 0, got = 0, n;
    while ((n = send(fd, buf, sizeof buf, 0)) > 0) sent += n;
    say("full: %s", error_name(errno));
    look("full", fd, POLLOUT);
    SHOW(write(fd, buf, 1));
    while (got < sent) {
        await(other, POLLIN);
        while ((n = recv(other, buf, sizeof buf, 0)) > 0) got += n;
    }
    say("all of it: %d", sent == got && sent > 0);
    await(fd, POLLOUT);
    int unheard = MUST(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
    close(listening);
    done = connect(unheard, ADDRESS(address), sizeof address);
    say("refused or on its way: %d", done == -1 && (errno == EINPROGRESS || errno == ECONNREFUSED));
    return 0;
}
