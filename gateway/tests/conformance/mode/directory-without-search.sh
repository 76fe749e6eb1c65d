# about: Without execute permission the names of a directory can be listed but nothing in it reached.
mkdir d
echo x > d/f
chmod 644 d
ls -1 d 2>/dev/null
cat d/f 2>/dev/null && echo ok || echo fail
stat d/f > /dev/null 2>&1 && echo ok || echo fail
[ -e d/f ] && echo seen || echo unseen
chmod 755 d
