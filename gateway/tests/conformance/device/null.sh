# about: The null device swallows writes and reads as an empty file.
echo lost > /dev/null && echo ok
cat /dev/null | wc -c
seq 1 100000 > /dev/null && echo ok
wc -c < /dev/null
cp /dev/null f
stat -c %s f
