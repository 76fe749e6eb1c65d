// about: what the calls on terminals refuse
#include "case.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    struct termios now;
    struct winsize size;
    if (role("leader")) {
        SHOW(tcsetpgrp(0, 99999999));
        SHOW(tcsetpgrp(0, -1));
        TRY(tcsetpgrp(0, getppid()));
        TRY(tcsetpgrp(0, getpgrp()));
        TRY(open("/dev/tty", O_RDWR));
        SHOW(tcsetpgrp(1, getpgrp()));
        return 0;
    }
    int master, slave, ends[2];
    terminal(&master, &slave);
    MUST(pipe(ends));
    SHOW(open("/dev/tty", O_RDWR));
    SHOW(tcgetattr(ends[0], &now));
    SHOW(tcgetattr(99, &now));
    MUST(tcgetattr(slave, &now));
    SHOW(tcsetattr(ends[0], TCSANOW, &now));
    SHOW(tcsetattr(99, TCSANOW, &now));
    SHOW(ioctl(ends[0], TIOCGWINSZ, &size));
    SHOW(ioctl(99, TIOCGWINSZ, &size));
    SHOW(tcgetpgrp(slave));
    SHOW(tcsetpgrp(slave, getpgrp()));
    SHOW(tcgetsid(slave));
    SHOW(tcgetsid(ends[0]));
    SHOW(lseek(slave, 0, SEEK_SET));
    SHOW(pread(slave, &now, 1, 0));
    SHOW(ftruncate(slave, 0));
    reap("leader", start_on_terminal("leader", slave));
    return 0;
}
