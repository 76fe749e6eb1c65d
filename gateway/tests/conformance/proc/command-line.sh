# about: /proc/self/cmdline holds the arguments, each ended by a NUL byte.
cat /proc/self/cmdline | tr '\0' '\n'
env cat /proc/self/cmdline /dev/null | tr '\0' '\n' | wc -l
