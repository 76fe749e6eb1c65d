# about: Extending a file adds zero bytes.
printf 'abc' > f
truncate -s 5 f
od -An -tx1 f | tr -s ' '
truncate -s +2 f
stat -c %s f
truncate -s -6 f
cat f
echo
