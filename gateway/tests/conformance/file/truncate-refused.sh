# about: Only a writable regular file can be cut.
# standard: POSIX.1-2017 truncate() EISDIR, EACCES
mkdir d
truncate -s 0 d 2>/dev/null && echo ok || echo fail
echo x > f
chmod 400 f
truncate -s 0 f 2>/dev/null && echo ok || echo fail
truncate -s 0 no-dir/f 2>/dev/null && echo ok || echo fail
truncate -c -s 9 missing && echo ok || echo fail
[ -e missing ] && echo exists || echo absent
stat -c %s f
