# about: A FIFO without permission cannot be opened, and nothing waits.
# standard: POSIX.1-2017 open() EACCES
mkfifo p
chmod 000 p
cat p 2>/dev/null && echo ok || echo fail
( echo x > p ) 2>/dev/null && echo ok || echo fail
chmod 644 p
