# about: Opening for reading and writing neither truncates nor moves to the end.
# standard: POSIX.1-2017 open() O_RDWR
printf 'abcdef' > f
exec 3<> f
printf 'XY' >&3
cat <&3
echo
exec 3>&-
cat f
echo
