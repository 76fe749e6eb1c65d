// about: file actions of posix_spawn() run in their order, in the child only
#include "case.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    if (role("child")) {
        char buf[32] = {0};
        SHOW(fcntl(20, F_GETFD));
        SHOW(read(21, buf, 5));
        say("%s", buf);
        SHOW(fcntl(22, F_GETFD));
        SHOW(fcntl(23, F_GETFD));
        SHOW(write(24, "out", 3));
        return 0;
    }
    int file = MUST(open("file", O_RDWR | O_CREAT, 0600));
    MUST(write(file, "hello world", 11));
    MUST(dup2(file, 20));
    MUST(dup2(file, 22));
    close(file);
    MUST(fcntl(22, F_SETFD, FD_CLOEXEC));
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addclose(&actions, 20);
    posix_spawn_file_actions_addopen(&actions, 21, "file", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, 22, 23);
    posix_spawn_file_actions_addopen(&actions, 24, "made", O_WRONLY | O_CREAT | O_TRUNC, 0640);
    reap("child", start_with("child", NULL, &actions, NULL));
    SHOW(fcntl(20, F_GETFD));
    SHOW(fcntl(21, F_GETFD));
    SHOW(fcntl(23, F_GETFD));
    say("made %o", mode_of("made"));
    return 0;
}
