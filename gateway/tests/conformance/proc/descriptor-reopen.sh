# about: Opening an entry of /proc/self/fd opens the file anew from its beginning.
printf 'abcdef' > f
exec 5< f
dd bs=1 count=3 <&5 2>/dev/null
echo
cat /proc/self/fd/5
echo
cat <&5
echo
exec 5<&-
