# about: The random device gives the number of bytes asked for, different ones each time.
head -c 16 /dev/urandom | wc -c
head -c 100000 /dev/urandom | wc -c
head -c 32 /dev/urandom > a
head -c 32 /dev/urandom > b
cmp -s a b && echo equal || echo different
[ "$(head -c 4096 /dev/urandom | od -An -v -tu1 | tr -s ' ' '\n' | sort -u | wc -l)" -gt 200 ] && echo varied
rm a b
