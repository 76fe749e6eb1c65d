# about: Both ends of a pipe look like a FIFO to stat, and a file or device does not.
# standard: POSIX.1-2017 fstat()
echo x | stat -L -c %F /dev/stdin
stat -L -c %F /dev/stdout | cat
echo x > f
stat -L -c %F /dev/stdin < f
stat -L -c %F /dev/stdin < /dev/null
