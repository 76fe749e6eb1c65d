// about: arguments and environment arrive as they were given: empty ones, many, long ones
#include "case.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    if (role("child")) {
        int total = 0;
        for (int i = 0; i < argc; i++) total += i > 0 ? (int)strlen(argv[i]) : 0;
        say("%d arguments of %d bytes, [%s] [%s]", argc, total, argv[2], argv[3]);
        say("A=%s B=%s C=%s", getenv("A") ? getenv("A") : "(none)", getenv("B"), getenv("C") ? getenv("C") : "(none)");
        return 0;
    }
    static char *next[600] = {0}, *with[] = {"A=", "B=b c\n", NULL};
    static char big[10001];
    memset(big, 'b', 10000);
    next[0] = argv[0], next[1] = "child", next[2] = "", next[3] = " a\tb\n\"' ";
    for (int i = 4; i < 599; i++) next[i] = i == 300 ? big : "x";
    pid_t pid;
    int error = posix_spawn(&pid, argv[0], NULL, NULL, next, with);
    reap("child", pid);
    say("%s", error_name(error));
    return 0;
}
