# about: A file without read permission cannot be read by its owner, but can be written.
# standard: POSIX.1-2017 open() EACCES
echo x > f
chmod 200 f
cat f 2>/dev/null && echo ok || echo fail
echo y >> f && echo ok || echo fail
[ -r f ] && echo readable || echo unreadable
chmod 644 f
cat f
