# about: A file lives as long as one of its names.
echo kept > a
mkdir d
ln a d/b
rm a
cat d/b
echo more >> d/b
cat d/b
