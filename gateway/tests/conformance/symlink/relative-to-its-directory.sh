# about: A relative link is resolved from the directory that holds it.
mkdir d
echo top > f
echo inner > d/f
ln -s f d/link
ln -s ../f d/up
cat d/link d/up
mv d/link .
cat link
