# about: Writing to a file takes its set-user-id bit, reading does not.
# standard: POSIX.1-2017 write(), S_ISUID
echo x > f
chmod 4755 f
cat f > /dev/null
stat -c %a f
echo y >> f
stat -c %a f
