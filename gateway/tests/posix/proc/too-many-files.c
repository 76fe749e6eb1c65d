// about: at RLIMIT_NOFILE every call that makes a descriptor is EMFILE, and one that is closed is there again
#include "case.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    struct rlimit limit = {16, 16};
    MUST(setrlimit(RLIMIT_NOFILE, &limit));
    int made = 0, ends[2], pair[2];
    while (dup(0) >= 0) made++;
    say("made %d, then %s", made, error_name(errno));
    SHOW(open("file", O_RDWR | O_CREAT, 0600));
    say("file is %s", access("file", F_OK) == 0 ? "there" : "not there");
    SHOW(pipe(ends));
    SHOW(socket(AF_INET, SOCK_STREAM, 0));
    SHOW(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    SHOW(fcntl(0, F_DUPFD, 3));
    SHOW(dup2(0, 16));
    SHOW(dup2(0, 15));
    close(15);
    SHOW(pipe(ends));
    SHOW(dup(0));
    SHOW(getrlimit(RLIMIT_NOFILE, &limit));
    say("%d %d", (int)limit.rlim_cur, (int)limit.rlim_max);
    limit.rlim_max = 17;
    SHOW(setrlimit(RLIMIT_NOFILE, &limit));
    limit.rlim_cur = 17, limit.rlim_max = 16;
    SHOW(setrlimit(RLIMIT_NOFILE, &limit));
    return 0;
}
