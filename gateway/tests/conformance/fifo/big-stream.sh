# about: A FIFO carries more than its capacity.
mkfifo p
seq 1 100000 > p &
cksum < p
wait
