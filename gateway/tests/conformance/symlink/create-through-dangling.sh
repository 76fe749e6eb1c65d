# about: Writing through a dangling link creates its target, exclusive creation refuses it.
# standard: POSIX.1-2017 open() O_CREAT, O_EXCL
ln -s made link
echo x > link
cat made
ln -s other second
set -C
( echo y > second ) 2>/dev/null && echo ok || echo fail
set +C
[ -e other ] && echo exists || echo absent
