# about: A pipe carries far more than its capacity without losing or reordering a byte.
# standard: POSIX.1-2017 pipe(), write()
seq 1 200000 | tail -n 1
seq 1 200000 | cksum
seq 1 200000 | wc -c
