# about: A descriptor opened by the shell takes writes until it is closed, then writes fail.
# standard: POSIX.1-2017 write() EBADF
exec 3> f
echo one >&3
echo two >&3
exec 3>&-
{ echo three >&3; } 2>/dev/null && echo ok || echo fail
cat f
