# about: A write to an appending descriptor goes to the end even after a seek.
# standard: POSIX.1-2017 write(), O_APPEND
printf '12345' > f
exec 3>> f
printf 'AB' | dd bs=1 seek=1 conv=notrunc >&3 2>/dev/null
exec 3>&-
head -c 5 f
echo
tail -c 2 f
echo
