# about: Descriptors opened for appending always write at the end, whoever else wrote in between.
# standard: POSIX.1-2017 open() O_APPEND
echo base > f
exec 3>> f
exec 4>> f
echo a >&3
echo b >&4
echo c >> f
echo d >&3
exec 3>&- 4>&-
cat f
