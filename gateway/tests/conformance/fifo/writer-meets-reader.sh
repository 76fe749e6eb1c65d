# about: A reader and a writer that open a FIFO wait for each other and the data passes.
# standard: POSIX.1-2017 open() on a FIFO
mkfifo p
cat p > out &
echo hello > p
wait
cat out
