// about: what the calls on Unix sockets refuse
#include "case.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    struct sockaddr_un a = unix_address("a"), below = unix_address("a/b"), deep = unix_address("missing/b");
    struct sockaddr_un again = unix_address("again");
    int pair[2], stream = MUST(socket(AF_UNIX, SOCK_STREAM, 0)), datagram = MUST(socket(AF_UNIX, SOCK_DGRAM, 0));
    char byte;
    SHOW(socketpair(AF_INET, SOCK_STREAM, 0, pair));
    SHOW(socketpair(AF_UNIX, 99, 0, pair));
    SHOW(socket(AF_UNIX, SOCK_STREAM, 99));
    SHOW(connect(stream, ADDRESS(a), sizeof a));
    SHOW(listen(stream, 1));
    SHOW(accept(stream, NULL, NULL));
    SHOW(recv(stream, &byte, 1, 0));
    SHOW(send(stream, "x", 1, 0));
    SHOW(bind(stream, ADDRESS(deep), sizeof deep));
    SHOW(bind(stream, ADDRESS(a), sizeof a));
    SHOW(bind(stream, ADDRESS(again), sizeof again));
    SHOW(bind(datagram, ADDRESS(below), sizeof below));
    SHOW(connect(datagram, ADDRESS(a), sizeof a));
    MUST(listen(stream, 1));
    SHOW(connect(datagram, ADDRESS(a), sizeof a));
    SHOW(connect(stream, ADDRESS(a), sizeof a));
    close(MUST(open("file", O_WRONLY | O_CREAT, 0600)));
    struct sockaddr_un file = unix_address("file");
    int fresh = MUST(socket(AF_UNIX, SOCK_STREAM, 0));
    SHOW(connect(fresh, ADDRESS(file), sizeof file));
    SHOW(bind(fresh, ADDRESS(file), sizeof file));
    MUST(chmod("a", 0));
    SHOW(connect(fresh, ADDRESS(a), sizeof a));
    MUST(chmod("a", 0700));
    SHOW(connect(fresh, ADDRESS(a), sizeof a));
    SHOW(connect(fresh, ADDRESS(a), sizeof a));
    MUST(mkdir("locked", 0700));
    MUST(chmod("locked", 0500));
    struct sockaddr_un locked = unix_address("locked/b");
    SHOW(bind(datagram, ADDRESS(locked), sizeof locked));
    MUST(chmod("locked", 0700));
    int closed = MUST(dup(stream));
    close(closed);
    SHOW(send(closed, "x", 1, 0));
    return 0;
}
