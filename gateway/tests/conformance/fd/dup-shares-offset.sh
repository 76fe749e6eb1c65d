# about: A duplicated descriptor shares one file offset with the original.
# standard: POSIX.1-2017 dup()
exec 3> f
exec 4>&3
echo a >&3
echo b >&4
echo c >&3
exec 3>&-
echo d >&4
exec 4>&-
cat f
