// about: what waitpid() tells of an exit and of a signal; an exit status has eight bits
#include "case.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    if (role("child")) {
        int code = atoi(argv[2]);
        if (code < 0) raise(-code);
        _exit(code);
    }
    static const char *codes[] = {"0", "1", "127", "128", "137", "255", "256", "257", "-9", "-15", "-6"};
    for (unsigned i = 0; i < sizeof codes / sizeof *codes; i++) {
        int status = 0;
        pid_t child = start_with("child", codes[i], NULL, NULL);
        say("%s: own child %d", codes[i], waitpid(child, &status, 0) == child);
        say("  exited %d code %d, signaled %d by %d", WIFEXITED(status), WIFEXITED(status) ? WEXITSTATUS(status) : 0,
            WIFSIGNALED(status), WIFSIGNALED(status) ? WTERMSIG(status) : 0);
    }
    return 0;
}
