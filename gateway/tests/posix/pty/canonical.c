// about: line editing: a line at a time, erase, kill, end of file, and what is echoed
#include "case.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    int master, slave;
    terminal(&master, &slave);
    say("terminals: %d %d", isatty(master), isatty(slave));
    type(master, "hello\n");
    take("slave", slave, 100);
    take_all("master", master, 7);
    MUST(write(slave, "a\nb", 3));
    take_all("master", master, 4);
    type(master, "abX\177c\n");
    take("erased", slave, 100);
    take_all("master", master, 9);
    type(master, "gone\025kept\n");
    take("killed", slave, 100);
    type(master, "one two  \027three\n");
    take("word erased", slave, 100);
    type(master, "1234567890\n");
    take("a part", slave, 4);
    take("the rest", slave, 100);
    type(master, "half\004");
    take("end in a line", slave, 100);
    type(master, "\004");
    take("end", slave, 100);
    type(master, "a\026\003b\r");
    take("literal", slave, 100);
    type(master, "x\ny\n");
    take("first", slave, 100);
    take("second", slave, 100);
    MUST(fcntl(slave, F_SETFL, O_NONBLOCK));
    type(master, "no line");
    take("no line", slave, 100);
    type(master, "\n");
    await(slave, POLLIN);
    take("now", slave, 100);
    return 0;
}
