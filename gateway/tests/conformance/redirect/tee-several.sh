# about: tee writes one stream to several files and standard output.
seq 1 3 | tee a b c
cmp a b && cmp b c && echo equal
echo 4 | tee -a a > /dev/null
cat a
echo x | tee no-dir/f 2>/dev/null
