# about: Every directory of a path needs execute permission.
mkdir -p a/b/c
echo x > a/b/c/f
chmod 000 a/b
cat a/b/c/f 2>/dev/null && echo ok || echo fail
cat a/b/../b/c/f 2>/dev/null && echo ok || echo fail
chmod 100 a/b
cat a/b/c/f && echo ok || echo fail
chmod 755 a/b
