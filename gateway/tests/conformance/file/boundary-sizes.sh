# about: Files around block and chunk sizes keep their length and end.
for size in 1 511 512 4095 4096 4097 65535 65536 65537 131072; do
  head -c $size /dev/zero | tr '\0' a > f
  printf Z >> f
  printf '%s %s %s\n' "$size" "$(stat -c %s f)" "$(tail -c 2 f)"
done
