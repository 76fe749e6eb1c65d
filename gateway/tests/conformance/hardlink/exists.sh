# about: Linking fails when the new name is taken or the old one missing.
# standard: POSIX.1-2017 link() EEXIST, ENOENT
echo a > a
echo b > b
ln a b 2>/dev/null && echo ok || echo fail
ln missing c 2>/dev/null && echo ok || echo fail
ln a no-dir/c 2>/dev/null && echo ok || echo fail
cat b
ln -f a b && echo ok || echo fail
cat b
stat -c %h b
