#ifndef WARREN_PTY_H
#define WARREN_PTY_H
#include <sys/ioctl.h>
#include <termios.h>
int openpty(int *, int *, char *, const struct termios *, const struct winsize *);
#endif
