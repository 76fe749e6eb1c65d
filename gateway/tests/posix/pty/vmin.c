// about: VMIN and VTIME say when a read of a terminal without lines is done
#include "case.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    int master, slave;
    struct termios raw;
    terminal(&master, &slave);
    MUST(tcgetattr(slave, &raw));
    raw.c_lflag &= ~(ICANON | ECHO | ISIG | IEXTEN);
    raw.c_iflag &= ~(ICRNL | IXON);
    raw.c_cc[VMIN] = 4, raw.c_cc[VTIME] = 0;
    MUST(tcsetattr(slave, TCSANOW, &raw));
    type(master, "ab");
    type(master, "cd");
    take("at least four", slave, 100);
    type(master, "abcd");
    take("no more than asked", slave, 2);
    take("the rest", slave, 2);
    raw.c_cc[VMIN] = 0, raw.c_cc[VTIME] = 0;
    MUST(tcsetattr(slave, TCSANOW, &raw));
    take("nothing", slave, 100);
    type(master, "z");
    await(slave, POLLIN);
    take("something", slave, 100);
    raw.c_cc[VMIN] = 0, raw.c_cc[VTIME] = 1;
    MUST(tcsetattr(slave, TCSANOW, &raw));
    take("after a tenth of a second", slave, 100);
    raw.c_cc[VMIN] = 5, raw.c_cc[VTIME] = 1;
    MUST(tcsetattr(slave, TCSANOW, &raw));
    type(master, "xy");
    take("between two bytes", slave, 100);
    return 0;
}
