# about: A writer waits for a reader that starts late when the pipe is full, and nothing is dropped.
seq 1 100000 | bash -c 'sleep 0.2; exec cksum'
head -c 65536 /dev/zero | bash -c 'sleep 0.1; exec wc -c'
head -c 65537 /dev/zero | bash -c 'sleep 0.1; exec wc -c'
