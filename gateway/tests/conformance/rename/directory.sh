# about: A directory is renamed with all it holds.
mkdir -p a/b/c
echo x > a/b/c/f
mv a z
cat z/b/c/f
[ -e a ] && echo exists || echo absent
