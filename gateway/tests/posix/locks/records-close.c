// about: closing any descriptor of a file drops the process' record locks on it, and so does its end; exec keeps them
#include "case.h"

static const char *lock(int fd) {
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    return fcntl(fd, F_SETLK, &lock) == 0 ? "ok" : errno == EACCES ? "EAGAIN" : error_name(errno);
}

int main(int argc, char **argv) {
    begin(argc, argv);
    if (role("child")) {
        say("child: %s", lock(MUST(open("file", O_RDWR))));
        return 0;
    }
    if (role("after")) {
        tell(0);
        hear(1);
        return 0;
    }
    if (role("execs")) {
        int fd = MUST(open("file", O_RDWR));
        say("execs: %s", lock(fd));
        char *next[] = {argv[0], "after", NULL};
        MUST(execv(argv[0], next));
    }
    make_line(0), make_line(1);
    int fd = MUST(open("file", O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    say("own: %s", lock(fd));
    reap("child", start("child"));
    close(MUST(open("file", O_RDONLY)));
    reap("child", start("child"));
    say("own again: %s", lock(fd));
    close(MUST(dup(fd)));
    reap("child", start("child"));
    pid_t execs = start("execs");
    hear(0);
    say("own: %s", lock(fd));
    kill(execs, SIGKILL);
    reap("execs", execs);
    say("own: %s", lock(fd));
    return 0;
}
