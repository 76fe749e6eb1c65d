# about: A directory can be renamed onto an empty directory and not onto a full one.
# standard: POSIX.1-2017 rename() ENOTEMPTY
mkdir a empty full
echo x > a/f
echo y > full/g
mv -T a full 2>/dev/null && echo ok || echo fail
mv -T a empty && echo ok || echo fail
cat empty/f full/g
[ -e a ] && echo exists || echo absent
