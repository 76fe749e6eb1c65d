# about: The link count follows links made and removed.
echo x > a
stat -c %h a
ln a b
ln b c
stat -c %h a
rm a
stat -c %h c
rm b
stat -c %h c
cat c
