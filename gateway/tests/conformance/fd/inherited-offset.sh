# about: A child that reads moves the offset its parent and its later siblings share.
# standard: POSIX.1-2017 fork(), lseek()
printf 'abcdefghij' > f
exec 3< f
dd bs=1 count=3 <&3 2>/dev/null
echo
dd bs=1 count=4 <&3 2>/dev/null
echo
cat <&3
echo
cat <&3 | wc -c
exec 3<&-
