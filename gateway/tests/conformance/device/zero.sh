# about: The zero device gives as many zero bytes as asked for and swallows writes.
head -c 5 /dev/zero | od -An -tx1 | tr -s ' '
head -c 1000000 /dev/zero | tr -d '\0' | wc -c
dd if=/dev/zero bs=65536 count=3 2>/dev/null | wc -c
echo x > /dev/zero && echo ok
