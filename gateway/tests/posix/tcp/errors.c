// about: what the calls on stream sockets refuse
#include "case.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    signal(SIGPIPE, SIG_IGN);
    char buf[8];
    int port, listening = listener(&port), fd = MUST(socket(AF_INET, SOCK_STREAM, 0)), other;
    struct sockaddr_in address = inet_address("127.0.0.1", port), privileged = inet_address("127.0.0.1", 80);
    struct sockaddr_in elsewhere = inet_address("192.0.2.1", 0);
    SHOW(socket(999, SOCK_STREAM, 0));
    SHOW(socket(AF_INET, SOCK_STREAM, IPPROTO_UDP));
    SHOW(recv(fd, buf, 1, 0));
    SHOW(send(fd, buf, 1, 0));
    SHOW(send(listening, buf, 1, 0));
    SHOW(recv(listening, buf, 1, 0));
    SHOW(accept(fd, NULL, NULL));
    SHOW(shutdown(fd, SHUT_RD));
    SHOW(shutdown(fd, 77));
    SHOW(bind(fd, ADDRESS(address), sizeof address));
    SHOW(bind(fd, ADDRESS(elsewhere), sizeof elsewhere));
    (void)privileged;
    SHOW(bind(fd, ADDRESS(address), 3));
    SHOW(bind(listening, ADDRESS(address), sizeof address));
    SHOW(connect(fd, ADDRESS(address), sizeof address));
    SHOW(connect(fd, ADDRESS(address), sizeof address));
    SHOW(listen(fd, 1));
    other = MUST(accept(listening, NULL, NULL));
    SHOW(accept(other, NULL, NULL));
    SHOW(bind(99, ADDRESS(address), sizeof address));
    SHOW(connect(99, ADDRESS(address), sizeof address));
    SHOW(listen(99, 1));
    SHOW(accept(99, NULL, NULL));
    SHOW(send(99, buf, 1, 0));
    SHOW(recv(99, buf, 1, 0));
    SHOW(shutdown(99, SHUT_RD));
    SHOW(bind(1, ADDRESS(address), sizeof address));
    SHOW(connect(1, ADDRESS(address), sizeof address));
    SHOW(listen(1, 1));
    SHOW(accept(1, NULL, NULL));
    SHOW(send(1, buf, 1, 0));
    SHOW(recv(1, buf, 1, 0));
    SHOW(shutdown(1, SHUT_RD));
    SHOW(lseek(fd, 0, SEEK_SET));
    SHOW(ftruncate(fd, 0));
    SHOW(pread(fd, buf, 1, 0));
    struct sockaddr_in6 six = {.sin6_family = AF_INET6};
    SHOW(bind(MUST(socket(AF_INET, SOCK_STREAM, 0)), ADDRESS(six), sizeof six));
    return 0;
}
