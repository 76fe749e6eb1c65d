# about: Signalling a process that does not exist or with a name that does not exist fails.
# standard: POSIX.1-2017 kill() ESRCH, EINVAL
kill -TERM 999999999 2>/dev/null && echo ok || echo fail
kill -NOSUCH $$ 2>/dev/null && echo ok || echo fail
kill -0 $$ && echo ok || echo fail
