/* A set of signals as the ABI passes it: bit n - 1 is signal n. wasi-libc's own is a placeholder of one byte. */
#ifndef __wasilibc___typedef_sigset_t_h
#define __wasilibc___typedef_sigset_t_h
typedef unsigned long long sigset_t;
#endif
