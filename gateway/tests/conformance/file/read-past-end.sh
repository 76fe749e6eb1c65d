# about: Reading at or past the end gives nothing and no error.
# standard: POSIX.1-2017 read()
printf 'abc' > f
dd if=f bs=1 skip=3 2>/dev/null | wc -c
tail -c +4 f | wc -c
tail -c +100 f | wc -c
head -c 100 f | wc -c
exec 3< f
cat <&3 > /dev/null
cat <&3 | wc -c
echo more >> f
cat <&3
exec 3<&-
