# about: head and tail take lines and bytes from both ends of files and pipes.
seq 1 20 > f
head -n 2 f
tail -n 2 f
head -c 5 f
tail -c 5 f
head -n -18 f
tail -n +19 f
seq 1 20 | tail -n 1
