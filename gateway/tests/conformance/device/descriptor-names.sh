# about: /dev/fd names each open descriptor by its number, and a closed one is missing.
echo three > f
exec 3< f
cat /dev/fd/3
exec 3<&-
cat /dev/fd/3 2>/dev/null && echo ok || echo fail
echo piped | cat /dev/fd/0
