# about: Opening for writing cuts the file and keeps inode and mode.
# standard: POSIX.1-2017 open() O_TRUNC
echo long content > f
chmod 600 f
inode=$(stat -c %i f)
echo s > f
[ "$(stat -c %i f)" = "$inode" ] && echo same
stat -c '%a %s' f
: > f
stat -c %s f
