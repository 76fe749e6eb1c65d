# about: A regular file cannot be a component in the middle of a path.
# standard: POSIX.1-2017 open() ENOTDIR
echo x > f
cat f/g 2>/dev/null && echo ok || echo fail
touch f/g 2>/dev/null && echo ok || echo fail
mkdir f/d 2>/dev/null && echo ok || echo fail
[ -e f/g ] && echo exists || echo absent
cat f
