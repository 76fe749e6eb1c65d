// about: a sequenced pair keeps borders and has an end
#include "case.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    signal(SIGPIPE, SIG_IGN);
    int pair[2];
    char buf[8] = {0};
    SHOW(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair));
    MUST(send(pair[0], "abc", 3, 0));
    MUST(send(pair[0], "defgh", 5, 0));
    SHOW(recv(pair[1], buf, 8, 0));
    SHOW(recv(pair[1], buf, 2, 0));
    SHOW(recv(pair[1], buf, 8, MSG_DONTWAIT));
    MUST(send(pair[0], "last", 4, 0));
    close(pair[0]);
    SHOW(recv(pair[1], buf, 8, 0));
    SHOW(recv(pair[1], buf, 8, 0));
    SHOW(send(pair[1], "x", 1, 0));
    return 0;
}
