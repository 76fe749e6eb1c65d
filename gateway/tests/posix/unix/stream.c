// about: a stream socket at a path: it is a file, taken once, and gone when it is unlinked
#include "case.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    struct sockaddr_un address = unix_address("socket"), name;
    if (role("client")) {
        int fd = MUST(socket(AF_UNIX, SOCK_STREAM, 0));
        MUST(connect(fd, ADDRESS(address), sizeof address));
        MUST(write(fd, "hello", 5));
        char buf[8] = {0};
        return read(fd, buf, 8);
    }
    int listening = MUST(socket(AF_UNIX, SOCK_STREAM, 0)), fd = MUST(socket(AF_UNIX, SOCK_STREAM, 0));
    umask(027);
    SHOW(bind(listening, ADDRESS(address), sizeof address));
    struct stat found;
    MUST(stat("socket", &found));
    say("a socket: %d, mode %o", S_ISSOCK(found.st_mode) != 0, mode_of("socket"));
    SHOW(connect(fd, ADDRESS(address), sizeof address));
    SHOW(bind(fd, ADDRESS(address), sizeof address));
    MUST(listen(listening, 5));
    pid_t client = start("client");
    int other = MUST(accept(listening, NULL, NULL));
    char buf[8] = {0};
    SHOW(read(other, buf, 8));
    say("%s", buf);
    socklen_t len = sizeof name;
    memset(&name, 0, sizeof name);
    MUST(getsockname(other, ADDRESS(name), &len));
    say("name %s", name.sun_path);
    len = sizeof name;
    MUST(getpeername(other, ADDRESS(name), &len));
    say("the peer has none: %d", len == sizeof(sa_family_t));
    SHOW(open("socket", O_RDWR));
    close(other);
    reap("client", client);
    close(listening);
    SHOW(connect(fd, ADDRESS(address), sizeof address));
    SHOW(unlink("socket"));
    SHOW(connect(fd, ADDRESS(address), sizeof address));
    return 0;
}
