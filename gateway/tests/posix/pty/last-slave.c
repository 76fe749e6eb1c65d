// about: when nobody has the slave the master reads what was written, then EIO, and another open mends it
#include "case.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    int master, slave;
    terminal(&master, &slave);
    char path[64];
    strcpy(path, terminal_path(slave));
    MUST(write(slave, "last\n", 5));
    await(master, POLLIN);
    look("with a slave", master, POLLIN | POLLOUT);
    close(slave);
    take_all("output", master, 6);
    look("without", master, POLLIN);
    take("without", master, 10);
    slave = MUST(open(path, O_RDWR | O_NOCTTY));
    MUST(write(slave, "again\n", 6));
    take_all("output", master, 7);
    look("with a slave", master, POLLIN | POLLOUT);
    type(master, "typed\n");
    take("slave", slave, 100);
    return 0;
}
