# about: A file without a name can still be read through its entry in /proc/self/fd.
echo ghost > f
exec 5< f
rm f
cat /proc/self/fd/5
readlink /proc/self/fd/5 | grep -c ' (deleted)$'
exec 5<&-
