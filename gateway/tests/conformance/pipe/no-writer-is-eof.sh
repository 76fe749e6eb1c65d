# about: Reading a pipe whose last writer has closed gives end of file, also when nothing was ever written.
true | cat | wc -c
true | wc -l
printf '' | od -c | wc -l
echo one | cat - - | wc -l
