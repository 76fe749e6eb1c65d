#ifndef WARREN_FCNTL_H
#define WARREN_FCNTL_H
#include_next <fcntl.h>
/* wasi-libc has 0 for these; kernel.c takes them off again. */
#undef O_CLOEXEC
#define O_CLOEXEC 0x40000000
#undef O_NOCTTY
#define O_NOCTTY 0x20000000
#undef F_DUPFD
#define F_DUPFD 0
#undef F_DUPFD_CLOEXEC
#define F_DUPFD_CLOEXEC 1030
#undef F_GETLK
#undef F_SETLK
#undef F_SETLKW
#define F_GETLK 12
#define F_SETLK 13
#define F_SETLKW 14
#undef F_RDLCK
#undef F_WRLCK
#undef F_UNLCK
#define F_RDLCK 0
#define F_WRLCK 1
#define F_UNLCK 2
/* wasi-libc's open() is in one object with functions we keep. */
#define open warren_open
int warren_open(const char *, int, ...);
#endif
