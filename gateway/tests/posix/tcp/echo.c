// about: a child connects, both sides send and receive, and each half is closed by itself
#include "case.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    char buf[64] = {0};
    if (role("client")) {
        struct sockaddr_in address = inet_address("127.0.0.1", atoi(argv[2]));
        int fd = MUST(socket(AF_INET, SOCK_STREAM, 0));
        MUST(connect(fd, ADDRESS(address), sizeof address));
        MUST(send(fd, "ping", 4, 0));
        MUST(shutdown(fd, SHUT_WR));
        int n, total = 0;
        while ((n = MUST(recv(fd, buf + total, sizeof buf - total, 0))) > 0) total += n;
        say("client got %s", buf);
        return 0;
    }
    int port, listening = listener(&port);
    char number[16];
    snprintf(number, sizeof number, "%d", port);
    pid_t client = start_with("client", number, NULL, NULL);
    struct sockaddr_in from;
    socklen_t len = sizeof from;
    int fd = MUST(accept(listening, ADDRESS(from), &len));
    say("from %x, %d bytes of address", (unsigned)ntohl(from.sin_addr.s_addr), (int)len);
    int n, total = 0;
    while ((n = MUST(read(fd, buf + total, sizeof buf - total))) > 0) total += n;
    say("server got %s", buf);
    MUST(write(fd, "pong", 4));
    close(fd);
    reap("client", client);
    return 0;
}
