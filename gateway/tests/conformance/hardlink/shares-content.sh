# about: Two names of one file share content, mode and inode.
# standard: POSIX.1-2017 link()
echo one > a
ln a b
echo two >> b
cat a
chmod 640 a
stat -c '%h %a' a b
[ "$(stat -c %i a)" = "$(stat -c %i b)" ] && echo same
