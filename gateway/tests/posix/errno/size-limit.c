// about: a write past RLIMIT_FSIZE is cut at it, and at it SIGXFSZ and EFBIG
#include "case.h"

static volatile int seen;
static void handler(int signal) { seen = signal; }

int main(int argc, char **argv) {
    begin(argc, argv);
    struct rlimit limit = {10, 10};
    if (role("child")) {
        int fd = MUST(open("other", O_RDWR | O_CREAT, 0600));
        MUST(setrlimit(RLIMIT_FSIZE, &limit));
        MUST(write(fd, "0123456789", 10));
        say("full");
        MUST(write(fd, "x", 1));
        return 0;
    }
    reap("child", start("child"));
    int fd = MUST(open("file", O_RDWR | O_CREAT, 0600));
    MUST(setrlimit(RLIMIT_FSIZE, &limit));
    handle_with(SIGXFSZ, handler, 0);
    SHOW(write(fd, "0123456", 7));
    SHOW(write(fd, "0123456", 7));
    SHOW(write(fd, "0123456", 7));
    say("seen %s", signal_name(seen));
    seen = 0;
    SHOW(ftruncate(fd, 11));
    say("seen %s", signal_name(seen));
    SHOW(pwrite(fd, "x", 1, 100));
    SHOW(ftruncate(fd, 10));
    return 0;
}
