# about: A file of eight megabytes keeps every byte.
seq 1 1200000 > f
stat -c %s f
tail -n 1 f
cksum < f
dd if=f bs=65536 skip=64 count=1 2>/dev/null | cksum
rm f
