# about: The owner is judged by the owner's bits even when group and others may do more.
echo x > f
chmod 077 f
cat f 2>/dev/null && echo ok || echo fail
( echo y > f ) 2>/dev/null && echo ok || echo fail
mkdir d
chmod 077 d
ls d > /dev/null 2>&1 && echo ok || echo fail
chmod 755 d
chmod 644 f
