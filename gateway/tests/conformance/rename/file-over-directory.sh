# about: A file cannot replace a directory, nor a directory a file.
# standard: POSIX.1-2017 rename() EISDIR, ENOTDIR
echo x > f
mkdir d
mv -T f d 2>/dev/null && echo ok || echo fail
mv -T d f 2>/dev/null && echo ok || echo fail
stat -c %F d
cat f
