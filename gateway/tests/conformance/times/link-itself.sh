# about: The times of a symbolic link can be set without touching its target.
# standard: POSIX.1-2017 utimensat() AT_SYMLINK_NOFOLLOW
touch -d @1000 f
ln -s f l
touch -h -d @2000 l
stat -c %Y f l
touch -d @3000 l
stat -c %Y f l
