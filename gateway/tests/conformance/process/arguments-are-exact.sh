# about: Arguments reach a program unchanged, with spaces, newlines, quotes and empty ones kept.
env printf '[%s]' 'a b' '' "c
d" '*' '"' "'" '\' '$x' 'ü'
echo
env printf '[%s]' '' '' ''
echo
