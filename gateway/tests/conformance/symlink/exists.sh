# about: Making a link fails when the name is taken, unless it is replaced.
# standard: POSIX.1-2017 symlink() EEXIST
ln -s one link
ln -s two link 2>/dev/null && echo ok || echo fail
readlink link
ln -sf two link && echo ok || echo fail
readlink link
echo x > f
ln -s three f 2>/dev/null && echo ok || echo fail
