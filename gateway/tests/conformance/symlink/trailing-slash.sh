# about: A link with a trailing slash must lead to a directory.
mkdir d
echo x > f
ln -s d dirlink
ln -s f filelink
stat -c %F dirlink
stat -c %F dirlink/
stat filelink/ > /dev/null 2>&1 && echo ok || echo fail
cat filelink/ 2>/dev/null && echo ok || echo fail
rm dirlink/ 2>/dev/null && echo ok || echo fail
[ -L dirlink ] && echo there
