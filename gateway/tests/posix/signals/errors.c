// about: kill(), sigaction() and sigprocmask() refuse what is no signal, no process and not allowed
#include "case.h"

static void handler(int signal) { (void)signal; }

int main(int argc, char **argv) {
    begin(argc, argv);
    if (role("child")) return 0;
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = handler;
    SHOW(kill(getpid(), 0));
    SHOW(kill(getpid(), -1));
    SHOW(kill(getpid(), 65));
    SHOW(kill(99999999, SIGTERM));
    SHOW(kill(99999999, 0));
    SHOW(kill(-99999999, SIGTERM));
    SHOW(sigaction(0, &action, NULL));
    SHOW(sigaction(65, &action, NULL));
    SHOW(sigaction(SIGKILL, &action, NULL));
    SHOW(sigaction(SIGSTOP, &action, NULL));
    action.sa_handler = SIG_IGN;
    SHOW(sigaction(SIGKILL, &action, NULL));
    sigset_t all, now;
    sigfillset(&all);
    SHOW(sigprocmask(99, &all, NULL));
    SHOW(sigprocmask(SIG_SETMASK, &all, NULL));
    MUST(sigprocmask(SIG_BLOCK, NULL, &now));
    say("SIGKILL in the mask: %d, SIGSTOP: %d, SIGTERM: %d", sigismember(&now, SIGKILL), sigismember(&now, SIGSTOP),
        sigismember(&now, SIGTERM));
    pid_t child = start("child");
    struct pollfd none;
    while (kill(child, 0) == 0 && waitpid(child, NULL, WNOHANG) == 0) poll(&none, 0, 1);
    SHOW(kill(child, 0));
    return 0;
}
