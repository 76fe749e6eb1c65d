# about: A link to nothing exists itself but cannot be opened for reading.
# standard: POSIX.1-2017 open() ENOENT
ln -s missing link
[ -L link ] && echo link
[ -e link ] && echo exists || echo absent
cat link 2>/dev/null && echo ok || echo fail
readlink link
ls -1
