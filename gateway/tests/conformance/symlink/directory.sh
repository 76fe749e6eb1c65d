# about: A link to a directory is a directory in the middle and at the end of a path.
mkdir d
echo x > d/f
ln -s d link
cat link/f
echo y > link/g
ls -1 link/
[ -d link ] && echo directory
rmdir link 2>/dev/null && echo ok || echo fail
rm link
ls -1 d
