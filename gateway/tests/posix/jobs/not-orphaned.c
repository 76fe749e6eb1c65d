// about: when a parent ends, a group that runs, or that has another parent in the session, gets no signal
#include "case.h"

static volatile int caught;
static void handler(int signal) { caught = signal; }

int main(int argc, char **argv) {
    begin(argc, argv);
    if (role("job")) {
        handle_with(SIGHUP, handler, 0);
        tell(0);
        hear(1);
        say("job: %s", caught ? signal_name(caught) : "no signal");
        tell(2);
        return 0;
    }
    if (role("shell")) {
        start_in_group("job", 0);
        hear(0);
        return 0;
    }
    for (int i = 0; i < 3; i++) make_line(i);
    reap("shell", start("shell"));
    tell(1);
    hear(2);
    return 0;
}
