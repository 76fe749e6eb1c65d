# about: A file without write permission can be read and removed, but not written or cut.
echo x > f
chmod 444 f
( echo y > f ) 2>/dev/null && echo ok || echo fail
( echo y >> f ) 2>/dev/null && echo ok || echo fail
truncate -s 0 f 2>/dev/null && echo ok || echo fail
[ -w f ] && echo writable || echo read-only
cat f
rm -f f && echo removed
