# about: The empty path names nothing.
# standard: POSIX.1-2017 open() ENOENT
cat '' 2>/dev/null && echo ok || echo fail
[ -e '' ] && echo exists || echo absent
( echo x > '' ) 2>/dev/null && echo ok || echo fail
mkdir '' 2>/dev/null && echo ok || echo fail
ln -s '' link 2>/dev/null && echo ok || echo fail
