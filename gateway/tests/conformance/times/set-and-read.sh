# about: Modification time is kept as set, from the epoch to the last second that 31 bits can count.
# standard: POSIX.1-2017 utimensat()
for second in 0 1 1000000000 2147483646 2147483647; do
  touch -d @$second f
  stat -c %Y f
done
