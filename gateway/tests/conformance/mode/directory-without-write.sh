# about: Without write permission no name in a directory can be made, removed or changed, yet files can be written.
mkdir d
echo x > d/f
chmod 555 d
touch d/new 2>/dev/null && echo ok || echo fail
mkdir d/sub 2>/dev/null && echo ok || echo fail
ln d/f d/link 2>/dev/null && echo ok || echo fail
rm -f d/f 2>/dev/null && echo ok || echo fail
mv -f d/f d/g 2>/dev/null && echo ok || echo fail
echo y >> d/f && echo ok || echo fail
cat d/f
chmod 755 d
