# about: A file of one tebibyte costs nothing until it is written, and its end can be read.
truncate -s 1T f
stat -c %s f
tail -c 3 f | od -An -tx1 | tr -s ' '
printf end | dd of=f bs=1 seek=1099511627773 conv=notrunc 2>/dev/null
tail -c 3 f
echo
rm f
