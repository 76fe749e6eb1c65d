# about: A directory cannot get a second name.
# standard: POSIX.1-2017 link() EPERM
mkdir d
ln d e 2>/dev/null && echo ok || echo fail
[ -e e ] && echo exists || echo absent
