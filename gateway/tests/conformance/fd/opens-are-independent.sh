# about: Opening a file twice gives two offsets, so the second writer overwrites the first.
# standard: POSIX.1-2017 open()
exec 3> f
exec 4<> f
printf 'AAAA' >&3
printf 'bb' >&4
printf 'CC' >&3
exec 3>&- 4>&-
cat f
echo
