# about: A rename needs write permission on both directories.
# standard: POSIX.1-2017 rename() EACCES
mkdir a b
echo x > a/f
chmod 555 a
mv -f a/f b/f 2>/dev/null && echo ok || echo fail
chmod 755 a
chmod 555 b
mv -f a/f b/f 2>/dev/null && echo ok || echo fail
mv -f a/f a/g && echo ok || echo fail
chmod 755 b
find . -type f
