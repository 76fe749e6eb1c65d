#ifndef WARREN_SYS_STAT_H
#define WARREN_SYS_STAT_H
#include_next <sys/stat.h>
mode_t umask(mode_t);
int chmod(const char *, mode_t);
int fchmod(int, mode_t);
int mkfifo(const char *, mode_t);
#endif
