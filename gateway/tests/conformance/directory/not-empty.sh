# about: A directory with a name in it cannot be removed.
# standard: POSIX.1-2017 rmdir() ENOTEMPTY
mkdir d
touch d/.hidden
rmdir d 2>/dev/null && echo ok || echo fail
rm d/.hidden
rmdir d && echo ok || echo fail
