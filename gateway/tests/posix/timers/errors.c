// about: times that are none are EINVAL and leave the timer as it was
#include "case.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    struct itimerval good = {{0, 0}, {100, 0}}, now;
    struct itimerval bad[] = {{{0, 0}, {0, 1000000}}, {{0, 0}, {0, -1}}, {{0, 0}, {-1, 0}}, {{0, 1000000}, {1, 0}}};
    MUST(setitimer(ITIMER_REAL, &good, NULL));
    for (int i = 0; i < 4; i++) SHOW(setitimer(ITIMER_REAL, &bad[i], NULL));
    SHOW(setitimer(99, &good, NULL));
    SHOW(getitimer(99, &now));
    MUST(getitimer(ITIMER_REAL, &now));
    say("still set: %d", now.it_value.tv_sec > 90);
    return 0;
}
