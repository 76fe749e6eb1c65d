# about: A rename moves content, mode and inode to the new name.
# standard: POSIX.1-2017 rename()
echo x > a
chmod 640 a
inode=$(stat -c %i a)
mv a b
[ "$(stat -c %i b)" = "$inode" ] && echo same
stat -c %a b
[ -e a ] && echo exists || echo absent
cat b
