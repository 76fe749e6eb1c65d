// about: what poll() says of both ends of a pipe: empty, with bytes, full, and with the other end closed
#include "case.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    int ends[2];
    char buf[65536];
    MUST(pipe2(ends, O_NONBLOCK));
    look("empty, read end", ends[0], POLLIN | POLLOUT);
    look("empty, write end", ends[1], POLLIN | POLLOUT);
    MUST(write(ends[1], "x", 1));
    look("one byte, read end", ends[0], POLLIN);
    look("one byte, asked nothing", ends[0], 0);
    while (write(ends[1], buf, sizeof buf) > 0) {}
    while (write(ends[1], buf, 1) > 0) {}
    look("full, write end", ends[1], POLLOUT);
    while (read(ends[0], buf, sizeof buf) > 0) {}
    look("drained, write end", ends[1], POLLOUT);
    MUST(write(ends[1], "x", 1));
    close(ends[1]);
    look("bytes and no writer", ends[0], POLLIN);
    MUST(read(ends[0], buf, 1));
    look("no bytes and no writer", ends[0], POLLIN);
    close(ends[0]);
    MUST(pipe(ends));
    close(ends[0]);
    look("no reader", ends[1], POLLOUT);
    look("no reader, asked nothing", ends[1], 0);
    look("closed", ends[0], POLLIN);
    return 0;
}
