# about: A file cut inside a hole keeps the data before it, and growing again brings no old data back.
printf 'head' > f
printf 'tail' | dd of=f bs=65536 seek=3 conv=notrunc 2>/dev/null
truncate -s 131072 f
stat -c %s f
truncate -s 262144 f
tr -d '\0' < f
echo
