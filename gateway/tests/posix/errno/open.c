// about: each error of open()
#include "case.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    static char name[300], path[5000];
    memset(name, 'n', 256), memset(path, 'p', 4999);
    for (int i = 99; i < 4999; i += 100) path[i] = '/';
    close(MUST(open("file", O_RDWR | O_CREAT, 0600)));
    MUST(mkdir("dir", 0700));
    MUST(symlink("loop", "loop"));
    MUST(symlink("missing", "dangling"));
    MUST(mkfifo("fifo", 0600));
    SHOW(open("missing", O_RDONLY));
    SHOW(open("missing/x", O_RDONLY | O_CREAT, 0600));
    SHOW(open("dangling", O_RDONLY));
    SHOW(open("", O_RDONLY));
    SHOW(open("file/x", O_RDONLY));
    SHOW(open("file/", O_RDONLY));
    SHOW(open("file", O_RDONLY | O_DIRECTORY));
    SHOW(open("file", O_RDWR | O_CREAT | O_EXCL, 0600));
    SHOW(open("dangling", O_RDWR | O_CREAT | O_EXCL, 0600));
    SHOW(open("dir", O_WRONLY));
    SHOW(open("dir", O_RDWR | O_CREAT, 0600));
    SHOW(open("loop", O_RDONLY));
    SHOW(open("dangling", O_RDONLY | O_NOFOLLOW));
    SHOW(open(name, O_RDONLY));
    SHOW(open(path, O_RDONLY));
    SHOW(open("fifo", O_WRONLY | O_NONBLOCK));
    MUST(chmod("file", 0));
    SHOW(open("file", O_RDONLY));
    SHOW(open("file", O_WRONLY));
    MUST(chmod("file", 0400));
    SHOW(open("file", O_RDWR));
    SHOW(open("file", O_WRONLY | O_TRUNC));
    MUST(chmod("dir", 0500));
    SHOW(open("dir/x", O_WRONLY | O_CREAT, 0600));
    MUST(chmod("dir", 0600));
    SHOW(open("dir/x", O_RDONLY));
    MUST(chmod("dir", 0700));
    SHOW(open("/proc/self/status", O_WRONLY));
    SHOW(open("/nonexistent-root-entry", O_WRONLY | O_CREAT, 0600));
    return 0;
}
