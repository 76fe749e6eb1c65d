# about: In a sticky directory an owner may remove and rename their own files.
# standard: POSIX.1-2017 unlink(), S_ISVTX
mkdir d
chmod 1777 d
stat -c '%a %A' d
echo x > d/f
mv d/f d/g && echo renamed
rm d/g && echo removed
