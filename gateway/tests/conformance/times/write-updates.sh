# about: Writing a file sets a new modification time, reading it does not.
echo x > f
touch -d @1000 f
cat f > /dev/null
stat -c %Y f
echo y >> f
[ "$(stat -c %Y f)" -gt 1000 ] && echo newer
touch -d @1000 f
truncate -s 0 f
[ "$(stat -c %Y f)" -gt 1000 ] && echo newer
