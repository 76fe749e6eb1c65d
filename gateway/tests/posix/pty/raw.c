// about: without ICANON bytes come as they are typed, also those that are keys, and go as they are written
#include "case.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    int master, slave;
    struct termios raw, before;
    terminal(&master, &slave);
    MUST(tcgetattr(slave, &before));
    raw = before;
    raw.c_lflag &= ~(ICANON | ECHO | ISIG);
    raw.c_iflag &= ~ICRNL;
    raw.c_oflag &= ~OPOST;
    MUST(tcsetattr(slave, TCSANOW, &raw));
    type(master, "\003\r\004\177\n\025");
    take_all("keys", slave, 6);
    MUST(write(slave, "a\nb", 3));
    take_all("output", master, 3);
    MUST(tcsetattr(slave, TCSANOW, &before));
    type(master, "line\n");
    take("again by lines", slave, 100);
    return 0;
}
