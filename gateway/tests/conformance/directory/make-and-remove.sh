# about: A directory is made empty and can be removed while it is.
# standard: POSIX.1-2017 mkdir(), rmdir()
mkdir d
stat -c '%F %a' d
ls -a d
rmdir d
[ -e d ] && echo exists || echo absent
