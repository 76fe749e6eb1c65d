// about: POSIX_SPAWN_SETPGROUP joins or makes a group; a group of another session, or none, is EPERM
#include "case.h"

static int try_group(pid_t group, short more) {
    posix_spawnattr_t attributes;
    char *argv[] = {(char *)self_path, "child", NULL};
    pid_t pid;
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | more);
    posix_spawnattr_setpgroup(&attributes, group);
    int error = posix_spawn(&pid, self_path, NULL, &attributes, argv, environ);
    if (error) say("%s", error_name(error));
    else {
        hear(0);
        say("in its own group: %d, in ours: %d", getpgid(pid) == pid, getpgid(pid) == getpgrp());
        tell(1);
        reap("child", pid);
    }
    return error;
}

int main(int argc, char **argv) {
    begin(argc, argv);
    if (role("child")) {
        tell(0);
        hear(1);
        return 0;
    }
    make_line(0), make_line(1);
    try_group(0, 0);
    try_group(getpgrp(), 0);
    try_group(99999999, 0);
    try_group(1, 0);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
    pid_t leader = start_with("child", NULL, NULL, &attributes);
    hear(0);
    say("leads a group: %d", getpgid(leader) == leader);
    TRY(setpgid(leader, getpgrp()));
    try_group(leader, 0);
    tell(1);
    reap("leader", leader);
    return 0;
}
