# about: A hard link to a symbolic link is a second name of the link itself, or of its target with -L.
echo x > f
ln -s f link
ln -P link same
[ -L same ] && readlink same
stat -c %h link
ln -L link file
[ -L file ] && echo link || echo file
stat -c %h f
