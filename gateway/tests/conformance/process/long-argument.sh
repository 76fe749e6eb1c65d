# about: One argument may hold 131071 bytes and not one more.
# standard: Linux execve(2) MAX_ARG_STRLEN, E2BIG
long=$(head -c 131071 /dev/zero | tr '\0' x)
env printf '%s' "$long" | wc -c
env true "${long}x" 2>/dev/null && echo ok || echo fail
