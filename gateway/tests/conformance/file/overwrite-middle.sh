# about: Bytes in the middle of a file are replaced in place.
printf '0123456789' > f
printf 'XYZ' | dd of=f bs=1 seek=4 conv=notrunc 2>/dev/null
cat f
echo
printf 'end!' | dd of=f bs=1 seek=8 conv=notrunc 2>/dev/null
cat f
echo
stat -c %s f
