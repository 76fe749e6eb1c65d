# about: A writer that never stops is ended once the only reader has closed the pipe.
# standard: POSIX.1-2017 write() EPIPE, SIGPIPE
yes | head -n 1
yes abc | head -n 3
yes 0123456789 | head -c 100000 | wc -c
