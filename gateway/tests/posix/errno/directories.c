// about: each error of mkdir() and rmdir()
#include "case.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    static char name[300];
    memset(name, 'n', 256);
    MUST(mkdir("dir", 0700));
    MUST(mkdir("dir/sub", 0700));
    close(MUST(open("file", O_RDWR | O_CREAT, 0600)));
    MUST(symlink("dir", "link"));
    MUST(symlink("missing", "dangling"));
    MUST(symlink("loop", "loop"));
    SHOW(mkdir("dir", 0700));
    SHOW(mkdir("dir/", 0700));
    SHOW(mkdir("file", 0700));
    SHOW(mkdir("dangling", 0700));
    SHOW(mkdir("link", 0700));
    SHOW(mkdir("missing/x", 0700));
    SHOW(mkdir("file/x", 0700));
    SHOW(mkdir("loop/x", 0700));
    SHOW(mkdir(name, 0700));
    SHOW(mkdir("", 0700));
    SHOW(mkdir(".", 0700));
    SHOW(mkdir("/", 0700));
    SHOW(mkdir("new/", 0700));
    SHOW(rmdir("new/"));
    SHOW(rmdir("missing"));
    SHOW(rmdir("file"));
    SHOW(rmdir("link"));
    SHOW(rmdir("link/"));
    SHOW(rmdir("dir"));
    SHOW(rmdir("dir/."));
    SHOW(rmdir("dir/sub/.."));
    SHOW(rmdir(""));
    SHOW(rmdir("."));
    SHOW(rmdir(name));
    MUST(chmod("dir", 0500));
    SHOW(rmdir("dir/sub"));
    SHOW(mkdir("dir/x", 0700));
    MUST(chmod("dir", 0600));
    SHOW(rmdir("dir/sub"));
    MUST(chmod("dir", 0700));
    SHOW(rmdir("dir/sub"));
    SHOW(rmdir("dir"));
    return 0;
}
