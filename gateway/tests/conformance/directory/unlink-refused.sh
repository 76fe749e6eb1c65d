# about: A directory cannot be unlinked like a file, and a file cannot be removed like a directory.
# standard: POSIX.1-2017 unlink() EPERM, rmdir() ENOTDIR
mkdir d
touch f
rm d 2>/dev/null && echo ok || echo fail
unlink d 2>/dev/null && echo ok || echo fail
rmdir f 2>/dev/null && echo ok || echo fail
unlink f && echo ok || echo fail
ls -1
