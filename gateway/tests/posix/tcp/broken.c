// about: writing to what was shut down is SIGPIPE and EPIPE; MSG_NOSIGNAL leaves the signal out
#include "case.h"

static volatile int seen;
static void handler(int signal) { seen = signal; }

int main(int argc, char **argv) {
    begin(argc, argv);
    int pair[2];
    char byte;
    if (role("child")) {
        tcp_pair(pair);
        MUST(shutdown(pair[0], SHUT_WR));
        SHOW(write(pair[0], "x", 1));
        return 0;
    }
    reap("child", start("child"));
    handle_with(SIGPIPE, handler, 0);
    tcp_pair(pair);
    MUST(shutdown(pair[0], SHUT_WR));
    SHOW(shutdown(pair[0], SHUT_WR));
    SHOW(send(pair[0], "x", 1, MSG_NOSIGNAL));
    say("seen %s", signal_name(seen));
    SHOW(send(pair[0], "x", 1, 0));
    say("seen %s", signal_name(seen));
    SHOW(recv(pair[1], &byte, 1, 0));
    MUST(send(pair[1], "y", 1, 0));
    SHOW(recv(pair[0], &byte, 1, 0));
    MUST(shutdown(pair[0], SHUT_RD));
    SHOW(recv(pair[0], &byte, 1, 0));
    return 0;
}
