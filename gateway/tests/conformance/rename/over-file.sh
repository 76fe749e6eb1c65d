# about: A rename onto a file replaces it at once and the old content is gone.
echo old > a
echo new > b
inode=$(stat -c %i b)
mv b a
cat a
[ "$(stat -c %i a)" = "$inode" ] && echo same
ls -1
