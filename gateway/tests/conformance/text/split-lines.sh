# about: split makes files of a number of lines with names in order.
seq 1 25 > f
split -l 10 f p-
wc -l < p-ac
ls -1 p-*
split -n 3 f q-
cat q-a? | cmp - f && echo equal
