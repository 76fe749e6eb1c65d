// about: the umask takes bits off what is made, is inherited, and is each process' own
#include "case.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    if (role("child")) {
        say("child %o", (unsigned)umask(0777));
        return 0;
    }
    say("at first %o", (unsigned)umask(077));
    close(MUST(open("a", O_WRONLY | O_CREAT, 0666)));
    MUST(mkfifo("b", 0777));
    umask(01777);
    say("again %o", (unsigned)umask(0));
    close(MUST(open("c", O_WRONLY | O_CREAT, 0757)));
    umask(026);
    close(MUST(open("c", O_WRONLY | O_CREAT, 0777)));
    say("a %o b %o c %o", mode_of("a"), mode_of("b"), mode_of("c"));
    reap("child", start("child"));
    say("still %o", (unsigned)umask(0));
    return 0;
}
