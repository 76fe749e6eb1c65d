# about: Changing mode or adding a name leaves the modification time alone.
echo x > f
touch -d @1000 f
chmod 600 f
ln f g
mv f h
stat -c %Y g h
[ "$(stat -c %Z h)" -gt 1000 ] && echo changed
