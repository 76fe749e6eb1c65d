# about: A removed working directory takes no new names, and leaving it by an absolute path works.
# standard: POSIX.1-2017 rmdir()
here=$(pwd)
mkdir d
cd d
rmdir "$here/d" && echo removed
touch f 2>/dev/null && echo ok || echo fail
mkdir e 2>/dev/null && echo ok || echo fail
ls -a 2>/dev/null | wc -l
cd "$here" && echo back
