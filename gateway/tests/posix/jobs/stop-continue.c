// about: a stopped child is seen by WUNTRACED, a continued one by WCONTINUED, each once
#include "case.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    if (role("child")) {
        raise(SIGSTOP);
        hear(0);
        say("child goes on");
        return 4;
    }
    make_line(0);
    pid_t child = start_in_group("child", 0);
    reap_with("child", child, WUNTRACED);
    reap_with("again", child, WUNTRACED | WNOHANG);
    SHOW(kill(child, SIGCONT));
    reap_with("child", child, WCONTINUED);
    reap_with("again", child, WCONTINUED | WNOHANG);
    tell(0);
    reap("child", child);
    return 0;
}
