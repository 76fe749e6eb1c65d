// about: MSG_PEEK leaves bytes, MSG_DONTWAIT does not wait, MSG_WAITALL waits for all
#include "case.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    int pair[2];
    char buf[16] = {0};
    if (role("child")) {
        for (int i = 0; i < 6; i++) MUST(send(60, &"abcdef"[i], 1, 0));
        return 0;
    }
    tcp_pair(pair);
    SHOW(recv(pair[1], buf, 4, MSG_DONTWAIT));
    MUST(send(pair[0], "12345", 5, 0));
    await(pair[1], POLLIN);
    SHOW(recv(pair[1], buf, 3, MSG_PEEK));
    say("%s", buf);
    SHOW(recv(pair[1], buf, 16, MSG_PEEK));
    SHOW(recv(pair[1], buf, 2, 0));
    SHOW(recv(pair[1], buf, 16, 0));
    MUST(dup2(pair[0], 60));
    pid_t child = start("child");
    memset(buf, 0, sizeof buf);
    SHOW(recv(pair[1], buf, 6, MSG_WAITALL));
    say("%s", buf);
    reap("child", child);
    MUST(send(pair[0], "end", 3, 0));
    close(pair[0]), close(60);
    memset(buf, 0, sizeof buf);
    SHOW(recv(pair[1], buf, 6, MSG_WAITALL));
    say("%s", buf);
    SHOW(recv(pair[1], buf, 0, 0));
    SHOW(send(pair[1], buf, 0, 0));
    return 0;
}
