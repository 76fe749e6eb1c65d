# about: A script whose interpreter is missing, a directory or not executable cannot be started.
# standard: POSIX.1-2017 exec ENOENT, EACCES
printf '#!/no/such/interpreter\n' > f
printf '#!/\n' > g
touch plain
printf '#!%s/plain\n' "$PWD" > h
chmod 755 f g h
for name in f g h; do
  env ./$name 2>/dev/null && echo ok || echo fail
done
rm h
