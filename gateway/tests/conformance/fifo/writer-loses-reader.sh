# about: A writer dies when the only reader of a FIFO closes it.
mkfifo p
head -n 2 p > out &
yes > p 2>/dev/null && echo ended-well || echo ended
wait
cat out
