# about: Writing to a read-only descriptor and reading from a write-only one both fail.
# standard: POSIX.1-2017 read(), write() EBADF
echo data > f
exec 3< f
{ echo x >&3; } 2>/dev/null && echo ok || echo fail
exec 3<&-
exec 4> g
cat <&4 >/dev/null 2>&1 && echo ok || echo fail
exec 4>&-
cat f
wc -c < g
