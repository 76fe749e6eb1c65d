# about: A loop of links cannot be followed, only looked at and removed.
# standard: POSIX.1-2017 open() ELOOP
ln -s b a
ln -s a b
ln -s self self
cat a 2>/dev/null && echo ok || echo fail
cat self 2>/dev/null && echo ok || echo fail
( echo x > self ) 2>/dev/null && echo ok || echo fail
[ -e a ] && echo exists || echo absent
readlink a self
rm a && echo removed
