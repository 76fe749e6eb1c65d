# about: A directory's modification time changes when a name in it comes or goes, not when a file is written.
mkdir d
touch d/f
touch -d @1000 d
echo x > d/f
stat -c %Y d
touch d/g
[ "$(stat -c %Y d)" -gt 1000 ] && echo newer
touch -d @1000 d
rm d/g
[ "$(stat -c %Y d)" -gt 1000 ] && echo newer
touch -d @1000 d
mv d/f d/h
[ "$(stat -c %Y d)" -gt 1000 ] && echo newer
