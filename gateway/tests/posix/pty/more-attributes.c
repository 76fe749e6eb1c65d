// about: the other attributes of a terminal, and TCSAFLUSH
#include "case.h"

static void show_attributes(int fd) {
    struct termios now;
    MUST(tcgetattr(fd, &now));
    say("ICRNL %d IXON %d INLCR %d IGNCR %d ISTRIP %d", !!(now.c_iflag & ICRNL), !!(now.c_iflag & IXON), !!(now.c_iflag & INLCR),
        !!(now.c_iflag & IGNCR), !!(now.c_iflag & ISTRIP));
    say("OPOST %d ONLCR %d OCRNL %d", !!(now.c_oflag & OPOST), !!(now.c_oflag & ONLCR), !!(now.c_oflag & OCRNL));
    say("ISIG %d ICANON %d ECHO %d ECHOE %d ECHOK %d ECHONL %d", !!(now.c_lflag & ISIG), !!(now.c_lflag & ICANON),
        !!(now.c_lflag & ECHO), !!(now.c_lflag & ECHOE), !!(now.c_lflag & ECHOK), !!(now.c_lflag & ECHONL));
    say("NOFLSH %d TOSTOP %d IEXTEN %d", !!(now.c_lflag & NOFLSH), !!(now.c_lflag & TOSTOP), !!(now.c_lflag & IEXTEN));
    say("keys %d %d %d %d %d %d", now.c_cc[VINTR], now.c_cc[VQUIT], now.c_cc[VERASE], now.c_cc[VKILL], now.c_cc[VEOF],
        now.c_cc[VSUSP]);
}

int main(int argc, char **argv) {
    begin(argc, argv);
    int master, slave;
    struct termios set;
    terminal(&master, &slave);
    show_attributes(slave);
    MUST(tcgetattr(slave, &set));
    set.c_lflag = (set.c_lflag & ~ISIG) | TOSTOP | NOFLSH;
    set.c_iflag = (set.c_iflag & ~ICRNL) | INLCR;
    set.c_oflag &= ~ONLCR;
    set.c_cc[VINTR] = 1, set.c_cc[VERASE] = 8;
    MUST(tcsetattr(slave, TCSADRAIN, &set));
    show_attributes(slave);
    show_attributes(master);
    /* The echo says that it has arrived. */
    type(master, "abc\010");
    take_all("echo", master, 6);
    MUST(tcgetattr(slave, &set));
    MUST(tcsetattr(slave, TCSAFLUSH, &set));
    type(master, "x\010y\n");
    take_all("echo", master, 7);
    MUST(fcntl(slave, F_SETFL, O_NONBLOCK));
    take("flushed, and a newline is a return", slave, 100);
    set.c_iflag &= ~INLCR;
    MUST(tcsetattr(slave, TCSANOW, &set));
    type(master, "\n");
    await(slave, POLLIN);
    take("line", slave, 100);
    return 0;
}
