// about: a descriptor is not sent over TCP
#include "case.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    int tcp[2], fds[2], count = 2, flags, one = 0;
    char buf[8];
    tcp_pair(tcp);
    if (SHOW(send_fds(tcp[0], "x", &one, 1)) != 1) return 1;
    SHOW(receive_fds(tcp[1], buf, sizeof buf, fds, &count, 0, &flags));
    say("%d", count);
    return 0;
}
