# about: A file without execute permission and a directory cannot be executed.
# standard: POSIX.1-2017 2.8.2 exit status 126, exec EACCES
echo 'echo hi' > f
mkdir d
./f 2>/dev/null
echo $?
./d 2>/dev/null
echo $?
chmod 755 f
./f
