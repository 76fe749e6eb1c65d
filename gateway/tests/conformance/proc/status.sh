# about: /proc/self/status names the program, its parent and its user.
grep '^Name:' /proc/self/status | tr '\t' ' '
grep '^Umask:' /proc/self/status | tr '\t' ' '
grep '^PPid:' /proc/self/status > parent
[ "$(tr -cd 0-9 < parent)" = "$$" ] && echo parent
rm parent
[ "$(awk '/^Uid:/ { print $2 }' /proc/self/status)" = "$(id -u)" ] && echo user
