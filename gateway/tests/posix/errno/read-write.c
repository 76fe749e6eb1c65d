// about: each error of read(), write(), pread(), pwrite() and lseek()
#include "case.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    signal(SIGPIPE, SIG_IGN);
    char buf[8];
    char *nowhere = (char *)(intptr_t)-16;
    int ends[2], file = MUST(open("file", O_RDWR | O_CREAT, 0600));
    int reads = MUST(open("file", O_RDONLY)), writes = MUST(open("file", O_WRONLY)), dir = MUST(open(".", O_RDONLY | O_DIRECTORY));
    MUST(pipe2(ends, O_NONBLOCK));
    SHOW(read(99, buf, 1));
    SHOW(write(99, buf, 1));
    SHOW(read(writes, buf, 1));
    SHOW(write(reads, buf, 1));
    SHOW(read(ends[1], buf, 1));
    SHOW(write(ends[0], buf, 1));
    SHOW(read(dir, buf, 1));
    SHOW(write(dir, buf, 1));
    SHOW(read(ends[0], buf, 1));
    SHOW(pread(ends[0], buf, 1, 0));
    SHOW(pwrite(ends[1], buf, 1, 0));
    SHOW(pread(file, buf, 1, -1));
    SHOW(pwrite(file, buf, 1, -1));
    SHOW(lseek(ends[0], 0, SEEK_SET));
    SHOW(lseek(99, 0, SEEK_SET));
    SHOW(lseek(file, -1, SEEK_SET));
    SHOW(lseek(file, 0, 77));
    SHOW(lseek(file, 10, SEEK_END));
    SHOW(lseek(file, -11, SEEK_CUR));
    SHOW(lseek(file, 0, SEEK_SET));
    MUST(write(file, "abc", 3));
    MUST(lseek(file, 0, SEEK_SET));
    SHOW(read(file, nowhere, 1));
    SHOW(lseek(file, 0, SEEK_CUR));
    SHOW(write(file, nowhere, 1));
    SHOW(read(file, buf, 8));
    SHOW(read(file, buf, 8));
    SHOW(read(file, buf, 0));
    SHOW(write(file, buf, 0));
    close(ends[0]);
    SHOW(write(ends[1], buf, 1));
    SHOW(write(ends[1], buf, 0));
    int full = MUST(open("/dev/full", O_WRONLY));
    SHOW(write(full, buf, 1));
    SHOW(ftruncate(reads, 0));
    SHOW(ftruncate(file, -1));
    SHOW(ftruncate(ends[1], 0));
    SHOW(ftruncate(99, 0));
    SHOW(ftruncate(dir, 0));
    return 0;
}
