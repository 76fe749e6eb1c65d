# about: A link's text may have a thousand bytes and not 4096.
# standard: POSIX.1-2017 symlink() ENAMETOOLONG
text=$(head -c 1000 /dev/zero | tr '\0' t)
ln -s $text link && echo ok || echo fail
stat -c %s link
text=$(head -c 4096 /dev/zero | tr '\0' t)
ln -s $text other 2>/dev/null && echo ok || echo fail
