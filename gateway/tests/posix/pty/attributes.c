// about: what a new terminal's attributes are, and that they are the terminal's, not the descriptor's
#include "case.h"

static void show_attributes(int fd) {
    struct termios now;
    MUST(tcgetattr(fd, &now));
    say("ICRNL %d OPOST %d ONLCR %d ISIG %d ICANON %d ECHO %d", !!(now.c_iflag & ICRNL), !!(now.c_oflag & OPOST),
        !!(now.c_oflag & ONLCR), !!(now.c_lflag & ISIG), !!(now.c_lflag & ICANON), !!(now.c_lflag & ECHO));
    say("keys %d %d %d %d %d %d %d", now.c_cc[VINTR], now.c_cc[VQUIT], now.c_cc[VERASE], now.c_cc[VKILL], now.c_cc[VEOF],
        now.c_cc[VSUSP], now.c_cc[VWERASE]);
}

int main(int argc, char **argv) {
    begin(argc, argv);
    int master, slave;
    struct termios set;
    terminal(&master, &slave);
    show_attributes(slave);
    MUST(tcgetattr(slave, &set));
    set.c_lflag &= ~(ECHO | ISIG);
    set.c_iflag &= ~ICRNL;
    set.c_oflag &= ~ONLCR;
    set.c_cc[VINTR] = 1, set.c_cc[VERASE] = 8, set.c_cc[VEOF] = 5;
    MUST(tcsetattr(slave, TCSADRAIN, &set));
    show_attributes(slave);
    show_attributes(master);
    type(master, "abcd\010\010\r\n\003\005");
    take("line", slave, 100);
    take("and an end", slave, 100);
    MUST(write(slave, "x\n", 2));
    take_all("output, and no echo", master, 2);
    return 0;
}
