# about: Under umask 022 files get 644 and directories 755.
umask
touch f
mkdir d
: > g
stat -c '%n %a' d f g
