# about: A symbolic link keeps its text, and opening it opens what the text names.
# standard: POSIX.1-2017 symlink(), readlink()
echo content > f
ln -s f link
readlink link
cat link
stat -c '%F %s' link
stat -L -c '%F %s' link
[ -L link ] && [ -f link ] && echo both
