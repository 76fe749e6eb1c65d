# about: Renaming a missing name or into a missing directory fails and changes nothing.
# standard: POSIX.1-2017 rename() ENOENT
echo x > f
mv missing g 2>/dev/null && echo ok || echo fail
mv f no-dir/g 2>/dev/null && echo ok || echo fail
mv f f/g 2>/dev/null && echo ok || echo fail
cat f
ls -1
