# about: The commands of a group read one after another from one open file.
printf 'abcdefghi' > f
{ dd bs=1 count=2 2>/dev/null; echo; dd bs=1 count=3 2>/dev/null; echo; cat; echo; } < f
