# about: An entry of /proc/self/fd is a link to the open file's path.
echo x > f
exec 5< f
target=$(readlink /proc/self/fd/5)
[ "$target" = "$(realpath f)" ] && echo path
readlink /proc/self/fd/99 || echo absent
exec 5<&-
[ -e /proc/self/fd/5 ] && echo open || echo closed
