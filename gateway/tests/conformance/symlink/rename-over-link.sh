# about: Renaming a file over a link replaces the link and leaves its target alone.
# standard: POSIX.1-2017 rename()
echo target > f
ln -s f link
echo new > g
mv g link
[ -L link ] && echo link || echo file
cat link f
