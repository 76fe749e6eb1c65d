# about: A variable of more than 131072 bytes with its name cannot be passed to a program.
# standard: Linux execve(2) MAX_ARG_STRLEN, E2BIG
V=$(head -c 131069 /dev/zero | tr '\0' v)
V=$V env true 2>/dev/null && echo ok || echo fail
V=${V}v env true 2>/dev/null && echo ok || echo fail
