# about: A program that does not exist cannot be started.
# standard: POSIX.1-2017 2.8.2 exit status 127
no-such-program-here 2>/dev/null
echo $?
./missing 2>/dev/null
echo $?
missing-dir/program 2>/dev/null
echo $?
