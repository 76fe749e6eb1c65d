// about: each error of rename()
#include "case.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    MUST(mkdir("a", 0700));
    MUST(mkdir("a/b", 0700));
    MUST(mkdir("full", 0700));
    MUST(mkdir("full/x", 0700));
    MUST(mkdir("empty", 0700));
    MUST(mkdir("locked", 0700));
    close(MUST(open("file", O_RDWR | O_CREAT, 0600)));
    close(MUST(open("locked/file", O_RDWR | O_CREAT, 0600)));
    MUST(chmod("locked", 0500));
    SHOW(rename("missing", "x"));
    SHOW(rename("file", "missing/x"));
    SHOW(rename("file", "file/x"));
    SHOW(rename("file", "a"));
    SHOW(rename("a", "file"));
    SHOW(rename("a", "full"));
    SHOW(rename("a", "a/b/c"));
    SHOW(rename("a", "a/b"));
    SHOW(rename("a/b", "a"));
    SHOW(rename("", "x"));
    SHOW(rename("file", ""));
    SHOW(rename("a", "."));
    SHOW(rename(".", "x"));
    SHOW(rename("a/..", "x"));
    SHOW(rename("file", "x/"));
    SHOW(rename("file/", "x"));
    SHOW(rename("locked/file", "x"));
    SHOW(rename("file", "locked/x"));
    SHOW(rename("file", "file"));
    MUST(link("file", "same"));
    SHOW(rename("file", "same"));
    say("both are there: %d %d", access("file", F_OK), access("same", F_OK));
    SHOW(rename("a", "empty"));
    SHOW(access("empty/b", F_OK));
    SHOW(rename("empty", "new/"));
    MUST(chmod("locked", 0700));
    return 0;
}
