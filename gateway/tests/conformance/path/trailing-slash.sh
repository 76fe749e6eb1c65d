# about: A trailing slash demands a directory.
# standard: POSIX.1-2017 4.13 pathname resolution
echo x > f
mkdir d
cat f/ 2>/dev/null && echo ok || echo fail
stat -c %F d/ d//
stat f/ > /dev/null 2>&1 && echo ok || echo fail
( echo x > new/ ) 2>/dev/null && echo ok || echo fail
mkdir e/ && echo ok || echo fail
rmdir e/// && echo ok || echo fail
