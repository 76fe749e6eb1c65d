# about: A hole made by seeking past the end reads as zero bytes.
# standard: POSIX.1-2017 lseek()
printf 'A' > f
printf 'B' | dd of=f bs=65536 seek=2 conv=notrunc 2>/dev/null
stat -c %s f
head -c 1 f
tail -c 1 f
echo
tail -c +2 f | head -c 131071 | tr -d '\0' | wc -c
