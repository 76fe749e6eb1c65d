# about: wc counts lines, words and bytes of files and of standard input.
printf 'one two\nthree\n' > f
printf 'no newline' > g
wc -l < f
wc -w < f
wc -c < f
wc -l < g
cat f g | wc -w
