# about: cmp and diff tell equal files from different ones by their status.
printf 'a\nb\nc\n' > f
printf 'a\nX\nc\n' > g
cp f h
cmp -s f h
echo $?
cmp -s f g
echo $?
diff f h
echo $?
diff f g
echo $?
cmp -s f missing 2>/dev/null
[ $? -gt 1 ] && echo trouble
