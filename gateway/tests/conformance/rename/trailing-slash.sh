# about: A directory may be renamed with trailing slashes, a file may not.
mkdir d
echo x > f
mv d/ e/ && echo ok || echo fail
mv f/ g 2>/dev/null && echo ok || echo fail
mv -T f g/ 2>/dev/null && echo ok || echo fail
ls -1
