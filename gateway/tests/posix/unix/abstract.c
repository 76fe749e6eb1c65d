// about: an abstract name is no file, may hold any byte, and ends with its socket
#include "case.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    struct sockaddr_un address = unix_address("");
    snprintf(address.sun_path + 1, 60, "warren-%d", getpid());
    address.sun_path[20] = '\n';
    socklen_t len = offsetof(struct sockaddr_un, sun_path) + 30;
    int listening = MUST(socket(AF_UNIX, SOCK_STREAM, 0)), fd = MUST(socket(AF_UNIX, SOCK_STREAM, 0));
    SHOW(connect(fd, ADDRESS(address), len));
    SHOW(bind(listening, ADDRESS(address), len));
    SHOW(bind(fd, ADDRESS(address), len));
    MUST(listen(listening, 1));
    SHOW(connect(fd, ADDRESS(address), len - 1));
    SHOW(connect(fd, ADDRESS(address), len));
    struct sockaddr_un name;
    socklen_t room = sizeof name;
    MUST(getpeername(fd, ADDRESS(name), &room));
    say("the same name: %d", room == len && memcmp(&name, &address, len) == 0);
    close(listening);
    int again = MUST(socket(AF_UNIX, SOCK_STREAM, 0));
    SHOW(bind(again, ADDRESS(address), len));
    /* No name given: the kernel finds one. */
    int found = MUST(socket(AF_UNIX, SOCK_DGRAM, 0));
    SHOW(bind(found, ADDRESS(address), sizeof(sa_family_t)));
    room = sizeof name;
    MUST(getsockname(found, ADDRESS(name), &room));
    say("%d bytes, abstract: %d", (int)(room - sizeof(sa_family_t)), name.sun_path[0] == 0);
    return 0;
}
