# about: A directory can be opened for reading but yields no bytes, and not opened for writing.
# standard: POSIX.1-2017 read() EISDIR, open() EISDIR
mkdir d
cat < d >/dev/null 2>&1 && echo ok || echo fail
true < d && echo opened || echo refused
( : > d ) 2>/dev/null && echo ok || echo fail
( : >> d ) 2>/dev/null && echo ok || echo fail
