# about: rmdir refuses the name dot.
# standard: POSIX.1-2017 rmdir() EINVAL
mkdir d
cd d
rmdir . 2>/dev/null && echo ok || echo fail
cd ..
[ -d d ] && echo there
