// about: waitpid(-1) gives each child once, in whatever order they end; then there is none
#include "case.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    if (role("child")) return atoi(argv[2]);
    enum { CHILDREN = 20 };
    int sum = 0, found = 0;
    for (int i = 1; i <= CHILDREN; i++) {
        char code[8];
        snprintf(code, sizeof code, "%d", i);
        start_with("child", code, NULL, NULL);
    }
    int status;
    while (waitpid(-1, &status, 0) > 0) sum += WEXITSTATUS(status), found++;
    say("found %d, sum %d, then %s", found, sum, error_name(errno));
    return 0;
}
