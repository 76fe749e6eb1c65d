// about: each error of stat(), access(), chmod(), chown(), truncate(), mkfifo() and chdir()
#include "case.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    static char name[300];
    struct stat found;
    memset(name, 'n', 256);
    MUST(mkdir("dir", 0700));
    int fd = MUST(open("file", O_RDWR | O_CREAT, 0600));
    MUST(symlink("loop", "loop"));
    SHOW(stat("missing", &found));
    SHOW(stat("file/x", &found));
    SHOW(stat("file/", &found));
    SHOW(stat("loop", &found));
    SHOW(stat(name, &found));
    SHOW(stat("", &found));
    SHOW(lstat("loop", &found));
    SHOW(fstat(99, &found));
    SHOW(access("missing", F_OK));
    SHOW(access("file", R_OK | W_OK));
    SHOW(access("file", X_OK));
    SHOW(access("dir", R_OK | W_OK | X_OK));
    SHOW(access("loop", F_OK));
    SHOW(chmod("missing", 0600));
    SHOW(chmod("file/x", 0600));
    SHOW(chmod("loop", 0600));
    SHOW(chmod("/", 0777));
    SHOW(fchmod(99, 0600));
    SHOW(chown("file", 0, -1));
    SHOW(chown("file", -1, 0));
    SHOW(chown("file", -1, -1));
    SHOW(chown("missing", -1, -1));
    SHOW(chown("file", getuid(), getgid()));
    SHOW(fchown(99, -1, -1));
    SHOW(truncate("missing", 0));
    SHOW(truncate("dir", 0));
    SHOW(truncate("file", -1));
    SHOW(truncate("file", 10));
    SHOW(mkfifo("file", 0600));
    SHOW(mkfifo("missing/x", 0600));
    SHOW(mkfifo(name, 0600));
    SHOW(chdir("missing"));
    SHOW(chdir("file"));
    SHOW(chdir("loop"));
    SHOW(setuid(0));
    SHOW(setgid(0));
    MUST(chmod("file", 0));
    SHOW(access("file", R_OK));
    SHOW(truncate("file", 0));
    SHOW(ftruncate(fd, 0));
    MUST(chmod("dir", 0));
    SHOW(stat("dir/x", &found));
    SHOW(chdir("dir"));
    MUST(chmod("dir", 0700));
    return 0;
}
