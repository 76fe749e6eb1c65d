// about: poll() refuses more records than there may be descriptors, and records outside memory
#include "case.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    static struct pollfd many[1025];
    for (int i = 0; i < 1025; i++) many[i].fd = -1;
    SHOW(poll(many, 1024, 0));
    SHOW(poll(many, 1025, 0));
    struct pollfd *nowhere = (struct pollfd *)(intptr_t)-16;
    SHOW(poll(nowhere, 1, 0));
    SHOW(poll(many, 0, 0));
    return 0;
}
