# about: Bytes written into a hole leave zero bytes on both sides.
truncate -s 196608 f
printf 'data' | dd of=f bs=65536 seek=1 conv=notrunc 2>/dev/null
stat -c %s f
dd if=f bs=65536 skip=1 count=1 2>/dev/null | head -c 4
echo
tr -d '\0' < f | wc -c
