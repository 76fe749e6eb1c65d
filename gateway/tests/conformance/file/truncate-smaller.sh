# about: Cutting a file loses its end for good.
# standard: POSIX.1-2017 ftruncate()
printf '0123456789' > f
truncate -s 4 f
cat f
echo
truncate -s 6 f
od -An -c f | tr -s ' '
truncate -s 0 f
stat -c %s f
