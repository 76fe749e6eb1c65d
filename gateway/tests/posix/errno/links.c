// about: each error of link(), symlink(), readlink() and unlink()
#include "case.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    static char name[300], path[5000];
    char buf[8];
    memset(name, 'n', 256), memset(path, 'p', 4999);
    MUST(mkdir("dir", 0700));
    close(MUST(open("file", O_RDWR | O_CREAT, 0600)));
    SHOW(link("missing", "x"));
    SHOW(link("file", "file"));
    SHOW(link("file", "dir"));
    SHOW(link("dir", "x"));
    SHOW(link("file", "missing/x"));
    SHOW(link("file", "file/x"));
    SHOW(link("file", name));
    SHOW(link("file", ""));
    SHOW(symlink("x", "file"));
    SHOW(symlink("", "x"));
    SHOW(symlink("x", ""));
    SHOW(symlink("x", "missing/x"));
    SHOW(symlink("x", name));
    SHOW(symlink(path, "x"));
    SHOW(symlink("target", "sym"));
    SHOW(symlink("target", "sym"));
    SHOW(readlink("sym", buf, 8));
    SHOW(readlink("sym", buf, 3));
    SHOW(readlink("file", buf, 8));
    SHOW(readlink("missing", buf, 8));
    SHOW(readlink("file/x", buf, 8));
    SHOW(readlink("dir", buf, 8));
    SHOW(unlink("missing"));
    SHOW(unlink("dir"));
    SHOW(unlink("file/x"));
    SHOW(unlink(""));
    SHOW(unlink("sym/"));
    SHOW(unlink(name));
    close(MUST(open("dir/x", O_RDWR | O_CREAT, 0600)));
    MUST(chmod("dir", 0500));
    SHOW(unlink("dir/x"));
    SHOW(link("file", "dir/y"));
    SHOW(symlink("x", "dir/y"));
    MUST(chmod("dir", 0700));
    SHOW(unlink("dir/x"));
    SHOW(unlink("sym"));
    SHOW(unlink("file"));
    return 0;
}
