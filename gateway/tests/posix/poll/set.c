// about: poll() over many descriptors: how many are ready, negative numbers, the same one twice, files and directories
#include "case.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    int ends[2];
    MUST(pipe(ends));
    int file = MUST(open("file", O_RDWR | O_CREAT, 0600)), dir = MUST(open(".", O_RDONLY | O_DIRECTORY));
    struct pollfd all[] = {{ends[0], POLLIN, 77}, {-1, POLLIN, 77},    {ends[1], POLLOUT, 77}, {ends[1], POLLOUT, 77},
                           {file, POLLIN | POLLOUT, 77}, {dir, POLLIN, 77}, {999, POLLIN, 77},      {0, POLLIN, 77}};
    SHOW(poll(all, 8, 0));
    for (int i = 0; i < 8; i++) say("%d: %x", i, all[i].revents);
    struct pollfd none[2] = {{-1, POLLIN, 5}, {ends[0], POLLIN, 5}};
    SHOW(poll(none, 2, 5));
    say("%x %x", none[0].revents, none[1].revents);
    SHOW(poll(none, 0, 5));
    return 0;
}
