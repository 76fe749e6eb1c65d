#ifndef WARREN_UNISTD_H
#define WARREN_UNISTD_H
#define _WASI_EMULATED_GETPID
#include_next <unistd.h>
int pipe(int[2]);
int pipe2(int[2], int);
int dup(int);
int dup2(int, int);
int dup3(int, int, int);
pid_t getppid(void);
pid_t getpgrp(void);
pid_t getpgid(pid_t);
int setpgid(pid_t, pid_t);
pid_t tcgetpgrp(int);
int tcsetpgrp(int, pid_t);
unsigned alarm(unsigned);
int pause(void);
int execv(const char *, char *const[]);
int execve(const char *, char *const[], char *const[]);
uid_t getuid(void);
uid_t geteuid(void);
gid_t getgid(void);
gid_t getegid(void);
int setuid(uid_t);
int setgid(gid_t);
int chown(const char *, uid_t, gid_t);
int fchown(int, uid_t, gid_t);
/* wasi-libc's access() asks for the rights of descriptors, and is in one object with functions we keep. */
#define access warren_access
int warren_access(const char *, int);
extern char **environ;
#endif
