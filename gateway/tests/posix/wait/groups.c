// about: waitpid(0) and waitpid(-group) wait for children of that group only
#include "case.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    if (role("child")) return argc > 2 ? atoi(argv[2]) : 0;
    pid_t apart = start_in_group("child", 0);
    (void)apart;
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    pid_t job = start_with("child", "5", NULL, &attributes);
    pid_t same = start_with("child", "7", NULL, NULL);
    int status;
    say("own group: %d", waitpid(0, &status, 0) == same);
    say("code %d", WEXITSTATUS(status));
    SHOW(waitpid(0, &status, 0));
    say("its group: %d", waitpid(-job, &status, 0) == job);
    say("code %d", WEXITSTATUS(status));
    SHOW(waitpid(-job, &status, 0));
    say("the other: %d", waitpid(-1, &status, 0) == apart);
    return 0;
}
